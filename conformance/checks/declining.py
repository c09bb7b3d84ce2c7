"""Whether a model declines: says, in whatever language, that it will not or cannot do what it is asked.

A refusal shows nothing about whose prompt was read (contract, completion.uses-prompt, "refusals aside"), and may well
be the same for every prompt. It is told by its apology or its inability, in the languages that models answer in, or by
a bare "no". In doubt a text counts as a refusal: the requirement that asks is a SHOULD, and a false alarm costs more.
"""

from __future__ import annotations

import re

_LOOKED_AT = 600
_QUOTES = str.maketrans("’‘`´", "''''")

_OF_WORDS = """
en  sorry|apolog(?:y|ies|i[sz]e)|unfortunately|i regret|unable to|cannot|can not|can't|won't|will not
en  must decline|i decline|(?:not|isn't) (?:able|allowed|permitted|possible|comfortable|something i)|refuse|rather not
en  against (?:my|our|the)|as an (?:ai|artificial)|(?:don't|do not|didn't) (?:have|know|understand|do)
fr  désol|desol[ée]|navrée?|je regrette|malheureusement|excuse[rz]?[ -]moi|ne (?:peux|puis|saurais|pourrai)
fr  pas (?:possible|en mesure|autoris)|impossible d|je refuse
es  lo siento|lament|disculp|perd[óo]n|no (?:puedo|me es posible|es posible)
pt  desculp|sinto muito|infelizmente|n[ãa]o (?:posso|consigo|é possível)
it  mi dispiace|spiacent|purtroppo|non (?:posso|riesco|sono in grado)|mi scus
ro  [îi]mi pare r[ăa]u|din p[ăa]cate|nu pot
ca  ho sento|no puc
de  leid|leider|entschuldig|bedauer|bedaur|(?:kann|darf|werde)\\b.{0,40}\\bnicht|nicht möglich|lehne .{0,40}\\bab
nl  helaas|het spijt|kan\\b.{0,40}\\bniet
sv  tyvärr|förlåt|ledsen|kan (?:inte|ikke)|beklager|desværre|dessverre|undskyld|unnskyld
pl  przepraszam|przykro|niestety|nie mog[ęe]
cs  omlouv[áa]m|l[íi]to|bohu[žz]el|nemoh|nem[ůu][žz]u|prep[áa][čc]|[žz]ia[ľl]|[ľl]utuj
hr  [žz]ao mi|na[žz]alost|ne (?:mogu|morem)|oprosti
lt  atsiprašau|deja|atvainoj|diemžēl
ru  извин|прост[иі]|прощени|сожал|не (?:могу|можу|мога)|вибач|на жаль|съжаля|жао ми|нажалост
fi  valitettavasti|pahoittel|anteeksi|en voi|vabandu|kahjuks
hu  sajn[áa]l|sajnos|nem (?:tudok|tehetek)|eln[ée]z[ée]s
el  λυπ[άα]μαι|συγγν[ώω]μη|δυστυχώς|δεν μπορώ
tr  üzgün|maalesef|özür|yapamam|yardımcı olam
id  maaf|tidak (?:bisa|dapat|boleh)
vi  xin lỗi|rất tiếc|không thể
"""
"""One language a line, phrases apart by `|`; each begins a word."""

_OF_SIGNS = """
ar  آسف|عذر|معذرة|لا (?:أستطيع|يمكنني|أقدر)|للأسف|متأسف
fa  متاسف|ببخشید|نمی.?توانم|معاف
he  מצטער|סליחה|לא יכול|איני
hi  क्षमा|माफ|खेद|असमर्थ|नहीं कर|দুঃখিত|ক্ষমা|மன்னி|క్షమించ
zh  抱歉|对不起|對不起|无法|無法|不能|不便|遗憾|遺憾|拒绝|拒絕
ja  申し訳|すみません|ごめん|できません|できかね|お断り|残念
ko  죄송|미안| 수 없|유감
th  ขออภัย|ขอโทษ|ไม่สามารถ
"""
"""The same in scripts where a phrase may stand within a word, or words are not set apart."""

_NO = re.compile(
    r"\W*(?:no|nope|non|nein|nee|nej|nei|ei|não|nie|ne|нет|ні|не|όχι|hayır|لا|לא|नहीं|不|不行|否|いいえ|아니요|không|tidak)\W*",
    re.IGNORECASE,
)


def _phrases(table: str) -> str:
    return "|".join(line[4:] for line in table.strip().splitlines())


_DECLINES = re.compile(rf"(?<!\w)(?:{_phrases(_OF_WORDS)})|{_phrases(_OF_SIGNS)}", re.IGNORECASE | re.DOTALL)


def declines(text: str) -> bool:
    """True where a text says that what was asked will not or cannot be done."""
    told = text[:_LOOKED_AT].translate(_QUOTES)
    return bool(_DECLINES.search(told) or _NO.fullmatch(told))
