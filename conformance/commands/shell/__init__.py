"""What commands share: their options and help, the shell's completion, exit codes, what is written and shown."""
