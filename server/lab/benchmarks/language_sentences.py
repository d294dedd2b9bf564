"""Sentences of eight languages for `styletalk bench languages`, by name: voice of espeak-ng and texts. Pure constants.

Every language has P, B and M at the start, in the middle and, where it allows that, at the end of words. Chinese is
written in pinyin with tones and Japanese in kana, because espeak-ng reads characters of neither reliably.
"""

from typing import Final

ENGLISH: Final = "English"
SENTENCES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    ENGLISH: ("en-us", (
        "My mother bought a big map of Bombay at the market before breakfast.",
        "People who love music often listen to the same album for months.",
        "Please put the paper cups and the empty bottles into the blue bin.",
        "The weather will be warm and sunny until Friday evening.",
        "We should probably have asked him whether the shop was open.",
        "Five thousand tourists came to see the small village near the river.",
    )),
    "German": ("de", (
        "Meine Mutter kaufte am Montag einen Apfel und zwei Bücher auf dem Markt.",
        "Bitte bringen Sie die Papiere bis morgen Abend in mein Büro.",
        "Im Sommer fahren wir mit dem Boot über den Bodensee nach Bregenz.",
        "Die schönen Vögel fliegen früh über das grüne Tal.",
        "Er hat gestern vergessen, das Fenster in der Küche zu schließen.",
        "Viele Menschen arbeiten heute von zu Hause und sehen ihre Kollegen selten.",
    )),
    "French": ("fr", (
        "Ma mère a acheté un bon pain et une bouteille d'eau au marché.",
        "Nous partons demain matin pour passer deux semaines en Bretagne.",
        "Je voudrais bien parler avec vous de ce problème important.",
        "Les enfants jouent dans le jardin derrière la petite maison blanche.",
        "Il faut toujours écouter les gens avant de leur répondre.",
        "Le train de Paris arrive à midi et repart un peu plus tard.",
    )),
    "Italian": ("it", (
        "Mia mamma ha comprato il pane e un bel libro al mercato.",
        "Buongiorno, vorrei un bicchiere d'acqua e una pizza, per piacere.",
        "Domani mattina prendiamo il primo treno per Bologna.",
        "I bambini giocano sempre nel giardino dietro la scuola.",
        "Non ho capito perché il negozio fosse chiuso ieri sera.",
        "La montagna è molto bella quando la neve copre tutto.",
    )),
    "Spanish": ("es", (
        "Mi madre compró pan y un buen libro en el mercado.",
        "Buenos días, quiero una botella de agua y un poco de pan, por favor.",
        "Mañana por la mañana tomamos el primer tren para Barcelona.",
        "Los niños juegan siempre en el jardín detrás de la escuela.",
        "No entiendo por qué la tienda estaba cerrada ayer.",
        "También vamos a hablar de los problemas importantes del campo.",
    )),
    "Chinese": ("cmn-latn-pinyin", (
        "wo3 ma1ma5 zuo2tian1 mai3 le5 ping2guo3 he2 mian4bao1.",
        "qing3 ni3 ba3 bei1zi5 fang4 zai4 zhuo1zi5 shang4mian4.",
        "peng2you3 men5 ming2tian1 yi4qi3 qu4 bei3jing1.",
        "ta1 mei3 tian1 zao3shang5 dou1 pao3 bu4.",
        "wo3men5 xue2xiao4 you3 hen3 duo1 wai4guo2 xue2sheng5.",
        "jin1tian1 de5 tian1qi4 bu4 tai4 leng3 ye3 bu2 tai4 re4.",
    )),
    "Japanese": ("ja", (
        "はは は きのう ぱん と ばなな を かいました。",
        "みなさん、こんばんは。おげんき です か。",
        "ともだち と いっしょ に べんとう を たべます。",
        "まいあさ ろくじ に おきて、さんぽ を します。",
        "この ほん は とても おもしろい です。",
        "びょういん の まえ で ばす を まって います。",
    )),
    "Korean": ("ko", (
        "어머니가 시장에서 빵과 배를 샀습니다.",
        "안녕하세요, 만나서 반갑습니다.",
        "밤에 비가 많이 와서 버스를 탔어요.",
        "내일 아침 부산으로 가는 기차표를 샀어요.",
        "아이들이 학교 앞에서 공을 차고 있습니다.",
        "물 한 병과 밥 한 그릇 주세요.",
    )),
}  # fmt: skip
