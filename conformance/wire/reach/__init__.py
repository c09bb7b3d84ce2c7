"""How the target is reached: by which address or socket, through which proxy, and with what TLS."""
