"""What counts as a refusal of a model, and what does not."""

from __future__ import annotations

import pytest

from conformance.checks.declining import declines


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I can't help with that.", "I’m sorry, but I can’t assist with that request.", "No.",
        "I cannot do that.",
        "Unfortunately, I am unable to comply.", "As an AI model I have no way to say this.", "I'd rather not.",
        "My apologies: this is not something I can do.", "I don't understand.",
        "Je suis désolé, je ne peux pas vous aider.", "Désolée, ce n'est pas possible.", "Non.",
        "Es tut mir leid, dabei kann ich leider nicht helfen.", "Das kann ich dir so nicht sagen.", "Nein.",
        "Lo siento, no puedo ayudarte con eso.", "Desculpe, não posso ajudar.", "Mi dispiace, non posso aiutarti.",
        "Helaas kan ik daar niet bij helpen.", "Tyvärr kan jag inte hjälpa till.", "Przykro mi, nie mogę pomóc.",
        "Omlouvám se, s tím nemohu pomoci.", "Извините, я не могу помочь с этим.", "Вибачте, не можу допомогти.",
        "Valitettavasti en voi auttaa.", "Sajnálom, ebben nem tudok segíteni.", "Λυπάμαι, δεν μπορώ να βοηθήσω.",
        "Üzgünüm, bu konuda yardımcı olamam.", "عذرًا، لا أستطيع المساعدة في ذلك.", "אני מצטער, אינני יכול לעזור בכך.",
        "मुझे खेद है, मैं इसमें मदद नहीं कर सकता।", "很抱歉，我无法协助您。", "抱歉，這個我幫不上忙。",
        "申し訳ありませんが、お手伝いできません。", "죄송하지만 도와드릴 수 없습니다.", "Xin lỗi, tôi không thể giúp.",
        "Maaf, saya tidak bisa membantu.", "ขออภัย ฉันไม่สามารถช่วยได้", "いいえ。",
    ],
)  # fmt: skip
def test_a_refusal(text: str) -> None:
    assert declines(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Hello!", "OK.", "How can I help you today?", "zofrabelu", "1\n2\n3", "This is a mock response.",
        "Nothing",
        "Bonjour ! Comment puis-je vous aider ?", "Hallo, wie kann ich helfen?", "¡Hola! ¿En qué puedo ayudarte?",
        "Привет! Чем могу помочь?", "你好！有什么可以帮您？", "こんにちは。", "👩‍👩‍👧 👍🏽",
        "pleidofulamenta", "Novgorod",
        "I am a test model and have nothing to say.", "Lorem ipsum dolor sit amet, consectetur adipiscing elit.",
    ],
)  # fmt: skip
def test_no_refusal(text: str) -> None:
    assert not declines(text)
