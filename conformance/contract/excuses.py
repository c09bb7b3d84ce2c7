"""Answers that excuse: what tells of a model, a quota or a proxy rather than of the server's conformance.

Source: contract, "Answers that excuse". Pure functions over a status and a body; the recorder asks again where they
give a reason, and the checks leave such an exchange unjudged.

Strategy. The words of an error object are read without accents and typographic quotes, in English and French, by five
patterns: of rates and quotas, credits, content filters, the prompt's length, and what the model can do. Each names its
subject, because the same verbs refuse a valid request for no good reason ("`max_tokens` must be at most 4096",
"messages: too long (max 100)"): the field `model`, a number of messages and a bare output limit are no such subject.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

OUTAGES = frozenset({502, 503, 504, 529, *range(520, 528)})
"""Status codes that tell of intermediaries and load (contract, "Weather")."""
EXCUSING = OUTAGES | {402, 408, 429, 451}
"""Status codes that tell of quotas, intermediaries and load."""


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


_MODEL = r"""
    (?: \b (?: this | that | the | your | its | each | any | selected | chosen | requested | an? | le | ce | du )
        [ ] (?: (?! field | champ | parameter | property | or | and | et | ou ) [\w./-]+ [ ] ){0,2}?
        mod[e]l(?:e|s|es)? (?: 's )? \b
        (?! [`"»_-] | '(?!s) | \s*[:=]
          | [ ](?: field | parameter | property | validation | must | should | has[ ]to | needs | doit )\b )
      | (?<![\w`'".-]) mod[e]le?s \b (?! [`'"»_-] )
      | (?<! field[ ] ) (?<! champ[ ] ) (?<! [\w`'".-] ) mod[e]le? [ ]
        (?: [`'"]? (?: [\w.:-]*[-\d:/] ) | (?: output | context | token | maximum | max | limit ) \b
          | (?: does[ ]not[ ]support | doesn't[ ]support | only[ ]supports? ) \b )
      | \b [\w.:-]{0,40} \d [\w.:-]{0,20} [ ] model \b
      | \b (?: this | the[ ]selected | the[ ]requested | the[ ]chosen | your | ce | cette ) [ ] (?: group | groupe ) \b
        (?! [:=`'"] | [ ](?: must | should | doit )\b )
    )
"""
"""A model (or the group that stands for one) as a thing that can do something: not the field of that name."""

_PROMPT = r"(?: \b (?: prompt | input | conversation | chat[ ]history | invite | entree ) s? \b )"

_RATE = _pattern(
    r"""
      rate[\s_-]?limit | too[\s_]?many[\s_]?requests | throttl(?: ed | ing ) | overloaded | at[\s_]capacity
    | too[ ]many[ ](?: concurrent | simultaneous | parallel ) | concurren(?: t | cy )[\s_](?: requests?[\s_] )?limit
    | \b (?: requests | tokens )[ ]per[ ](?: second | minute | hour | day | month ) \b
    | too[ ]many[ ](?: \w+[ ] ){0,2} attempts | resource[\s_]?exhausted
    | quota | usage[\s_]limit | (?: spend | spending | budget | billing )[\s_](?: hard[\s_] )?(?: limit | cap )
    | budget[\s_](?: has[ ]been[ ] )?exceeded
    | limite[ ]de[ ](?: debit | requetes | taux | frequence ) | trop[ ]de[ ](?: requetes | demandes | tentatives )
    | (?: requetes | jetons | tokens )[ ]par[ ](?: seconde | minute | heure | jour | mois ) | \b surcharge
    """
)

_CREDITS = _pattern(
    r"""
      \b credits? \b | credit_ | _credit | insufficient[\s_](?: balance | funds ) | billing | facturation
    | (?: solde | fonds )[ ](?: est[ ] | sont[ ] )?insuffisants? | balance[ ]is[ ](?: too[ ]low | insufficient )
    """
)

_FILTER = _pattern(
    r"""
      content[\s_-]?(?: filter | policy | moderation | management ) | content[ ]exists[ ]risk | moderation
    | (?: usage | safety | acceptable[ ]use | responsible[ ]?ai )[ ]?polic(?: y | ies )
    | safety[\s_](?: system | filter | settings | checks? | reasons? ) | guardrail | data_inspection_failed
    | (?: unsafe | harmful | inappropriate | sensitive | prohibited )[\s_](?: content | words? )
    | flagged[ ](?: by | for )
    | \b (?: prompt | request | input | content | message | response | output | completion ) s?
      [ ](?: was | were | is | has[ ]been )[ ](?: flagged | filtered )
    | filtr(?: e | age )[ ](?: de | des )[ ]contenu | politique[ ](?: de[ ]contenu | d'utilisation )
    | contenus?[ ](?: interdit | sensible | inapproprie | dangereux )
    | (?: invite | prompt | requete | contenu | message | reponse )[ ](?: a[ ]ete | est )[ ](?: signale | filtre )
    """
)

_LENGTH = _pattern(
    rf"""
      context[\s_-]?(?: length | window | size | limit | overflow ) | (?: maximum | model'?s? | available )[\s_]context
    | exceed\w*[ ](?: the[ ] | its[ ] )?(?: \w+[ ] )?context | maximum[ ]model[ ]length | exceed_context
    | (?: longueur | fenetre | taille | limite | depasse\w* )[ ](?: maximale?[ ] )?(?: de[ ] | du[ ] | le[ ] )?contexte
    | (?: prompt | input | context | conversation )[\s_](?: is[ ] | was[ ] )?too[\s_]long
    | (?: prompt | conversation )[ ](?: is[ ] | was[ ] )?too[ ]large
    | \b messages?[ ](?: is | are | was | were | you[ ]submitted[ ]was )[ ]too[ ]long
    | \b (?: total | combined | overall )[ ](?: length | size )[ ]of[ ] | length[ ]of[ ]all[ ]
    | \b (?: length | size )[ ]of[ ](?: the[ ] | your[ ] )?(?: prompt | input | conversation ) \b
    | \b (?: reduce | shorten | decrease )[ ](?: the[ ] | your[ ] )?(?: length[ ]of[ ](?: the[ ] | your[ ] )? )?
      (?: prompt | input | messages | conversation ) \b
    | \b number[ ]of[ ](?: input[ ] | prompt[ ] )?tokens[ ](?: of | in )[ ](?: the[ ] | your[ ] )?
      (?: prompt | input | conversation | messages? | request ) \b
    | \b max(?: imum )?[\s_](?: input | prompt )[\s_](?: tokens? | length ) | range[ ]of[ ]input[ ]length
    | (?: input | prompt )[\s_]length[\s_](?: exceed\w* | limit | is[ ]too | of )
    | too[ ]many[ ](?: input | prompt )[ ]tokens | too[ ]many[ ]tokens [^.;]{{0,60}} {_PROMPT}
    | {_PROMPT} (?: (?! max_ ) [^.;] ){{0,60}}
      (?: \b (?: exceed\w* | too[ ](?: long | large | big | many ) | longer | more[ ]than | less[ ]than | at[ ]most
          | limit | max(?: imum )? | depasse\w* ) \b | [<>] )
      (?: (?! max_ ) [^.;] ){{0,60}} \b (?: tokens? | jetons? ) \b
    | \b inputs?`?[ ]tokens[ ]\+ | string_above_max_length | tokens?_limit_reached
    | (?: invite | prompt | entree | conversation | messages? )[ ](?: est | sont )[ ]trop[ ]long
    | \b longueur[ ](?: totale | cumulee )[ ]de
    | \b longueur[ ](?: du[ ]prompt | de[ ]la[ ]conversation | de[ ]l'(?: invite | entree ) )
    | \b nombre[ ](?: total[ ] | maximal[ ] | maximum[ ] )?de[ ](?: jetons | tokens )[ ](?: du | des? | en | dans )\b
      [^.;]{{0,20}} (?: prompt | conversation | messages | invite | entree )
    """
)

_ABILITY = _pattern(
    rf"""
      {_MODEL} [^.;]{{0,60}}?
      (?: \b (?: does[ ]not | doesn't | do[ ]not | don't | cannot | can't | can[ ]not | only )[ ]
          (?: support | accept | handle | process | take | allow ) s? \b
        | \b support(?: s | ed )? [ ] (?: only | at[ ]most | up[ ]to ) \b
        | \b ne[ ](?: prend | supporte | gere | accepte ) \b
        | \b (?: limite? | maximum | maximale? | max | at[ ]most | up[ ]to | outputs? | exceed\w* | context
            | too[ ]many | au[ ]plus | jusqu'a | depasse\w* | sortie ) \b
        | only[ ](?: supports? | accepts? | allows? )
      )
    | \b (?: limite? | maximum | maximale? | max | support | supported | exceed\w* | allowed | accepted | available
        | enabled | compatible | depasse\w* | sortie | prise?s?[ ]en[ ]charge
        | too[ ](?: large | long | big | many ) ) \b
      [^.;]{{0,40}} \b (?: of | for | by | with | on | in | de | par | avec | pour ) [ ]
      (?: [\w./-]+[ ] ){{0,3}}? {_MODEL}
    | model_(?: limit | max )\w* | unsupported_by_model
    """
)

_WORDS = (_RATE, _CREDITS, _FILTER, _LENGTH, _ABILITY)

_LIMITED = _pattern(
    rf"""
      {_MODEL} | model_(?: limit | max )
    | \b (?: for | of | by | with | de | du | pour ) \s+ (?! utf- | iso- | rfc- | u?int- ) [a-z][\w./]*-[\w.-]*\d
    | \b contexte? | \b quota
    """
)

_TEXT_LIMIT = 4_000
_HTML = ("text/html", "application/xhtml+xml")
_PAGE = re.compile(
    rb"""(?:\xef\xbb\xbf)? \s* (?: <\?xml[^>]*> \s* | <!--.*?--> \s* )*
         < (?: !doctype\s+html | html | head | body | title | center | h1 ) \b""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "\n": " "})


def _plain(text: str) -> str:
    """The beginning of a text with plain quotes and without accents, so that one pattern reads all spellings."""
    decomposed = unicodedata.normalize("NFD", text[:_TEXT_LIMIT].translate(_QUOTES))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def error_object(body: Any) -> dict[str, Any] | None:
    """The `error` member of an answer's JSON value where it is an object, else None."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error: dict[str, Any] = body["error"]
        return error
    return None


def names_the_model(body: Any) -> str | None:
    """The words of an error that name the model, its context or a quota; None where it does not.

    A refusal of a documented limit is excused by them (contract, "Left open …"); other refusals are not, for `model` is
    the name of a field too.
    """
    error = error_object(body)
    for member in ("code", "message"):
        told = error.get(member) if error else None
        if isinstance(told, str) and (found := _LIMITED.search(_plain(told))):
            return found.group(0)
    return None


def _excusing_words(told: str) -> str:
    """The words of a rate, a credit, a filter, the prompt's length or the model's abilities; empty without."""
    text = _plain(told)
    return next((found.group(0) for pattern in _WORDS if (found := pattern.search(text))), "")


def is_page(media_type: str, body: bytes) -> bool:
    """True for what is clearly a page for people: HTML by its first tag, or markup that is called HTML."""
    begins = body[:_TEXT_LIMIT]
    return bool(_PAGE.match(begins)) or (media_type in _HTML and begins.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<")


def excuse(status: int, media_type: str, body: bytes) -> str | None:
    """Why this answer is neither acceptance nor refusal, in a few words; None where it is one of the two.

    Takes the status code, the media type (lower case, no parameters) and the body's octets.
    """
    if status in EXCUSING:
        return f"status {status}"
    if status < 400:
        return None
    try:
        error = error_object(json.loads(body)) if len(body) < 1_000_000 else None
    except (ValueError, RecursionError):
        error = None
    if error is not None:
        for member in ("code", "type", "message"):
            told = error.get(member)
            if isinstance(told, str) and (found := _excusing_words(told)):
                return f"status {status}, whose error {member} mentions {found[:60]!r}"
        return None
    page = media_type in _HTML or is_page(media_type, body)
    if page and status in (403, 406, 409, 418, 500, 501, 505):
        return f"status {status} with an HTML page from an intermediary"
    return None
