# ruff: noqa: RUF001  these are texts of many languages
"""What people write into fields, in many languages, and what tools write for them.

All of it was written for this corpus. It holds what careless rules stumble over: quotes and
apostrophes, words that are also SQL or shell commands, arrows, brackets, links, code.
"""

from __future__ import annotations

from typing import Final

SENTENCES: Final = {
    "en": (
        "Please select a seat and drop me a line if the table isn't free on Friday.",
        "The union wants an update of the agreement before they insert the new clause.",
        "I'd like to order by phone; where can I find the number?",
        'She said "it\'s fine" and left the group chat and the call.',
        "Don't delete my account yet, I want to export everything from it first.",
        "Rock 'n' roll isn't dead -- it just sleeps until the weekend (or so I'm told).",
        "We grew from 12 to 40 people between 2019 and 2024, a 3x increase :)",
        "Can you cat-sit for us? The cat eats at 7, 12 and 18 o'clock; she likes tuna & rice.",
        "Terms & conditions apply <3 see page 4 for details...",
        "Either you fix the script for the opening scene or I'll exec the plan B myself.",
        "The test is true for all values > 0 and < 100, i.e. 0 < x < 100.",
        "My e-mail is first.last+news@example.org, the old one's gone.",
        "Having lunch at 1 or 2? Both work; let me know!",
        "Set the alarm to 6:30 and sleep well.",
        "Price: $1,299.00 (10% off) -- limit 2 per customer.",
        "If x=1 then the result is the same as for y=2, isn't it?",
        "Load the dishwasher, then create a list and grant the kids some screen time.",
        "The password reset link doesn't work; I get 'invalid token' after I click it.",
    ),
    "de": (
        "Wählen Sie bitte einen Termin aus; wir melden uns dann bei Ihnen.",
        "Das geht so nicht – ich hab's dreimal versucht und es klappt nicht!",
        "„Alles klar“, sagte sie, und legte auf.",
        "Straße & Hausnummer fehlen noch (PLZ ist 80331).",
        "Können wir den Tisch am Fenster oder lieber den in der Ecke nehmen?",
    ),
    "fr": (
        "J'aimerais annuler l'abonnement d'aujourd'hui, s'il vous plaît.",
        "C'est l'heure de l'apéro : qu'est-ce qu'on boit ?",
        "« Où est-ce ? » demanda-t-il à l'accueil.",
        "Je n'ai pas reçu l'e-mail ; pourriez-vous l'envoyer à nouveau ?",
    ),
    "it": (
        "L'ordine non è ancora arrivato, dov'è finito?",
        "Un po' d'acqua e un'insalata, grazie; tutto il resto va bene così.",
    ),
    "es": (
        "¿Podría cambiar la fecha de la cita? ¡Muchas gracias!",
        "No puedo entrar en mi cuenta: dice «contraseña incorrecta».",
        "El niño comió paella y bebió agua; después, siesta.",
    ),
    "pt": ("Não consigo selecionar a opção; já tentei duas vezes.", "Até amanhã às 9h, ok?"),
    "nl": ("'s Ochtends ben ik er niet, 's middags wel.", "Kunt u 'm terugbellen? Dank u!"),
    "pl": ("Proszę o zmianę adresu: ul. Żółta 7/12, Łódź.", "Czy można zapłacić kartą?"),
    "cs": ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "Děkuji, už to funguje."),
    "tr": ("İstanbul'da yağmur var; toplantı 15:00'te.", "Şifremi unuttum, ne yapmalıyım?"),
    "ru": ("Здравствуйте! Подскажите, когда придёт заказ №4512?", "«Спасибо», — ответил он."),
    "uk": ("Об'єднання не оновило п'ять рядків.", "Дякую, все працює!"),
    "el": ("Πότε ανοίγει το κατάστημα; Ευχαριστώ πολύ!",),
    "ar": ("أريد تغيير عنوان التوصيل من فضلك.", "هل الطاولة متاحة يوم الجمعة؟"),
    "he": ('ארה"ב וצה"ל מופיעים עם גרשיים.', "מתי ההזמנה מגיעה?"),
    "hi": ("कृपया मेरा ऑर्डर रद्द करें।", "मुझे पासवर्ड बदलना है।"),
    "zh": ("请选择一个日期,然后点击“提交”。", "我的订单还没有到,可以帮我查一下吗?"),
    "ja": ("「予約」ボタンを押しても、何も起こりません。", "明日の会議は10時からです。"),
    "ko": ("비밀번호를 잊어버렸어요. 어떻게 하나요?", "주문을 취소해 주세요!"),
    "vi": ("Tôi muốn đổi địa chỉ giao hàng, được không ạ?",),
    "th": ("ขอเปลี่ยนที่อยู่จัดส่งได้ไหมคะ",),
    "fi": ("Ei löydy 'vapaata' pöytää perjantaille.", "Kiitos, se toimii nyt!"),
    "emoji": ("Great job 👍🎉 see you tonight 🍕", "🤷‍♀️ no idea ¯\\_(ツ)_/¯"),
}

NAMES: Final = (
    "Anne O'Brien",
    "Seán Ó'Dálaigh",
    "Jean-Pierre D'Arcy",
    "Nguyễn Thị Hạnh",
    "Björk Guðmundsdóttir",
    "José María López-Álvarez",
    "Wei Zhang (张伟)",
    "Dr. Müller, geb. Groß",
    "Mary Ann Select",
    "Union Grant",
    "Robert Table Jr.",
    "ʻAukai Kealoha",
    "Null, Christopher",
    "Marks & Sons Ltd.",
)
PLACES: Final = (
    "12 O'Connell St., Flat #4",
    "c/o Smith; 3rd floor, door on the left",
    "Rue de l'Église 5 bis",
    "Königsallee 1/2, 40212 Düsseldorf",
    "5-3-1 Ginza, Chūō-ku",
    "Apt 1=A (ring twice)",
)
SEARCHES: Final = (
    "how to update a table in word",
    "select committee report 2023",
    "men's shoes size 42 or 43",
    'exact "phrase match" -unwanted',
    "c++ vs c#",
    "cats and dogs",
    "drop shipping from union square",
    "price < 100",
    "site:example.org filetype:pdf",
    "what's new?",
    "50% off",
    "node.js tutorial",
    "where to eat in rome",
    "L'Oréal",
    "AC/DC back in black",
    "日本 旅行",
    "Кофе & чай",
    "and or not",
    "user guide for admin console",
    "order by mail",
)
RARE: Final = (
    "echo dot 5th gen",
    "php developer jobs",
    "bash brothers movie",
    "perl jewelry",
    "union all stars select team",
)
"""Searches that are harmless and look like something else."""
RARELY: Final = 0.02
"""How often somebody searches for one of those."""
CODE: Final = (
    "def area(r):\n    return 3.14159 * r ** 2\n\nprint(area(2))",
    "for (const item of list) {\n  total += item.price * item.count;\n}",
    "SELECT name, city\nFROM customers\nWHERE city = 'Oslo'\nORDER BY name;",
    "```sh\nsudo apt-get install nginx\nsystemctl status nginx\n```",
    '<div class="card">\n  <h2>Title</h2>\n  <p>Text</p>\n</div>',
    'fn main() {\n    let n: u32 = "42".parse().unwrap();\n    println!("{n}");\n}',
    'services:\n  web:\n    image: web:1.4\n    ports: ["8080:80"]\n',
    '{\n  "name": "demo",\n  "private": true,\n  "scripts": {"test": "jest"}\n}',
    ".card > h2 { margin: 0 auto; color: #333 !important }",
    'if err != nil {\n\treturn fmt.Errorf("open %s: %w", name, err)\n}',
    'int main(void) { printf("%d\\n", 1 << 4); return 0; }',
    'git commit -m "Fix the build" && git push origin main',
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "E = mc^2, \\frac{a}{b} and \\sum_{i=0}^{n} x_i",
    "^[A-Z][a-z]+(?:-[A-Z][a-z]+)*$",
    "C:\\Users\\Anna\\Documents\\report.docx",
    "2024-05-01T12:00:00Z ERROR worker-3 took 512 ms (limit 500)",
)
FILE_NAMES: Final = (
    "report.pdf",
    "Holiday photo (1).jpg",
    "résumé-final_v2.docx",
    "Größe & Gewicht.xlsx",
    "スクリーンショット 2024-05-01 12.00.00.png",
    "data.2024.05.csv",
    "notes.txt",
    "logo.svg",
    "invoice #4512.pdf",
    "archive.tar.gz",
    "my+file,with[odd]chars.txt",
    "IMG_20240501_120000.HEIC",
)
