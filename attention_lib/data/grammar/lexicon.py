"""The words of the grammar corpus: one table a word class, Chinese first.

English words after a "~" have no Chinese counterpart of their own: they get a possible link only.
"""

from .entries import Adjective, Noun, Place, Pronoun, Verb, entries, rows

PRONOUNS = tuple(
    Pronoun(zh, subject, object_, owner, int(person), agreement, number == "pl")
    for zh, subject, object_, owner, person, agreement, number in rows("""
我|I|me|my|1|I|sg
你|you|you|your|2|pl|sg
他|he|him|his|3|sg|sg
她|she|her|her|3|sg|sg
我们|we|us|our|1|pl|pl
你们|you|you|your|2|pl|pl
他们|they|them|their|3|pl|pl
她们|they|them|their|3|pl|pl
""")
)

NAMES = tuple(
    entries("""玛丽 Mary · 约翰 John · 安娜 Anna · 大卫 David · 汤姆 Tom · 露西 Lucy · 彼得 Peter ·
艾米 Amy · 小明 Xiaoming · 小红 Xiaohong · 丽丽 Lili · 杰克 Jack · 莎拉 Sarah · 保罗 Paul ·
海伦 Helen · 马克 Mark · 苏珊 Susan · 小华 Xiaohua""")
)

KIN = tuple(
    entries("""妈妈 mother · 爸爸 father · 哥哥 older brother · 弟弟 younger brother ·
姐姐 older sister · 妹妹 younger sister · 奶奶 grandmother · 爷爷 grandfather · 叔叔 uncle ·
阿姨 aunt · 儿子 son · 女儿 daughter""")
)

# kinds | close (no 的 needed) | measurable (比): adjectives
_ADJECTIVES = """
person job|close|: 好 good
young|close|: 小 little
person||: 有名 famous · 友好 friendly · 善良 kind · 奇怪 strange
person||yes: 聪明 clever · 年轻 young · 勇敢 brave · 强壮 strong · 高 tall · 懒 lazy
mood||yes: 忙 busy · 高兴 happy
mood||: 累 tired · 生气 angry · 难过 sad · 紧张 nervous · 饿 hungry · 渴 thirsty
animal|close|yes: 大 big · 小 small
animal clothes dish|close|: 白 white
animal|close|: 黑 black
animal||yes: 可爱 cute · 聪明 clever
text printed|close|yes: 新 new
text printed written show||yes: 有趣 interesting · 有用 useful
text show||: 著名 famous · 重要 important · 无聊 boring
written show question picture song|close|: 好 good
question subject||yes: 难 difficult · 容易 easy
picture song||yes: 漂亮 beautiful
food|close|yes: 大 big · 小 small
food||yes: 好吃 delicious · 新鲜 fresh
fruit||yes: 甜 sweet
drink|close|yes: 热 hot · 冷 cold
drink||: 好喝 tasty
vehicle device clothes furniture tool dish room string|close|yes: 新 new · 旧 old
gift ticket|close|: 新 new
vehicle furniture room dish|close|yes: 大 big · 小 small
vehicle device clothes string tool furniture picture printed gift||yes: 贵 expensive · 便宜 cheap
clothes gift room flower||yes: 漂亮 beautiful
flower|close|: 红 red · 白 white · 黄 yellow
car clothes dish|close|: 红 red · 蓝 blue · 黑 black
car||yes: 快 fast
furniture device||yes: 重 heavy
clothes dish room vehicle||: 干净 clean · 脏 dirty
opening|close|: 旧 old · 白 white
opening||: 干净 clean · 脏 dirty
"""


def _read_adjectives() -> tuple[Adjective, ...]:
    found: dict[tuple[str, str, bool], tuple[set[str], bool]] = {}
    for row in _ADJECTIVES.strip().splitlines():
        head, _, words = row.partition(":")
        kinds, close, measurable = head.split("|")
        for zh, en in entries(words):
            entry = found.setdefault((zh, en, bool(close)), (set(), bool(measurable)))
            entry[0].update(kinds.split())
    return tuple(
        Adjective(zh, en, frozenset(kinds), close, measurable)
        for (zh, en, close), (kinds, measurable) in found.items()
    )


ADJECTIVES = _read_adjectives()

# kinds | classifier: nouns. Where the English measure differs by noun it follows in brackets.
_NOUNS = """
person job relation|个: 学生 student
person job relation|位: 老师 teacher · 医生 doctor · 律师 lawyer
person job|个: 护士 nurse · 司机 driver · 警察 police officer · 农民 farmer · 工人 worker
person job|位: 作家 writer · 歌手 singer · 工程师 engineer
person job|位: 科学家 scientist · 厨师 chef · 记者 journalist · 经理 manager
person job|位: 画家 painter · 演员 actor
person relation|位: 客人 guest · 朋友 friend
person relation|个: 同学 classmate · 邻居 neighbour · 同事 colleague
person young|个: 孩子 child · 男孩 boy · 女孩 girl
animal pet|只: 猫 cat · 兔子 rabbit · 鸭子 duck · 鸟 bird
animal pet|条: 狗 dog
animal farm|匹: 马 horse
animal farm|头: 牛 cow · 猪 pig
animal farm|只: 羊 sheep · 鸡 chicken
animal zoo|只: 老虎 tiger · 猴子 monkey · 熊猫 panda
animal zoo|头: 大象 elephant
text printed goods|本: 书 book · 杂志 magazine · 小说 novel · 词典 dictionary
text printed goods|份: 报纸 newspaper
text written|封: 信 letter
text written|篇: 文章 article
text written|首: 诗 poem
text written|个: 故事 story
text written|份: 报告 report
show|部: 电影 film
show|场: 比赛 match
show|个: 节目 show
picture goods photo|张: 照片 photo
picture goods light|张: 地图 map
picture goods light|幅: 油画 painting
food fruit goods|个: 苹果 apple · 橙子 orange · 西瓜 watermelon
food fruit goods|根: 香蕉 banana
food goods raw|个: 鸡蛋 egg · 土豆 potato · 西红柿 tomato
prey food goods raw|条: 鱼 fish
prey food goods raw|根: 胡萝卜 carrot
prey food cooked|块: 肉 meat (piece)
food goods cooked|个: 饺子 dumpling · 三明治 sandwich · 汉堡 hamburger
food goods cooked|片: 面包 bread (slice)
food goods cooked|块: 蛋糕 cake (piece)
food cooked|碗: 米饭 rice (bowl)
drink cold goods|杯: 水 water (glass) · 牛奶 milk (glass) · 果汁 juice (glass)
drink goods|瓶: 啤酒 beer (bottle)
milk|杯: 水 water (glass) · 牛奶 milk (glass)
drink hot goods|杯: 茶 tea (cup) · 咖啡 coffee (cup)
drink hot|碗: 汤 soup (bowl)
car vehicle goods|辆: 车 car · 卡车 truck · 出租车 taxi · 公共汽车 bus
bike vehicle goods|辆: 自行车 bicycle · 摩托车 motorcycle
clothes wear goods|件: 衬衫 shirt · 毛衣 sweater · 大衣 coat
clothes wear goods|条: 裙子 skirt
clothes hat goods|条: 围巾 scarf
clothes hat goods|顶: 帽子 hat
clothes wear goods|双: 鞋 shoe (pair) · 袜子 sock (pair)
clothes hat goods|双: 手套 glove (pair)
device goods thing|部: 手机 phone
device goods thing|台: 电脑 computer · 相机 camera
device goods thing|块: 手表 watch
tool goods thing|支: 钢笔 pen · 铅笔 pencil
tool goods thing|把: 雨伞 umbrella · 钥匙 key · 刀 knife
dish goods thing|个: 杯子 cup · 盘子 plate · 碗 bowl · 瓶子 bottle
gift goods thing|件: 礼物 gift
flower goods light|朵: 花 flower
gift goods thing|个: 玩具 toy · 球 ball · 包 bag
ticket goods light|张: 票 ticket
furniture goods|把: 椅子 chair
furniture goods|张: 桌子 table · 床 bed
furniture goods|个: 箱子 box
opening|扇: 门 door · 窗户 window
room|间: 房间 room
room|栋: 房子 house
string|把: 吉他 guitar
string|架: 钢琴 piano
song|首: 歌 song
question|个: 问题 question
subject|: 中文 Chinese · 英文 English · 法语 French · 日语 Japanese
subject|: 历史 history · 数学 mathematics
language|: 中文 Chinese · 英文 English · 法语 French · 日语 Japanese
kickable|: 足球 football
game|: 篮球 basketball · 网球 tennis · 乒乓球 table tennis
homework|: 作业 homework
meal|: 早饭 breakfast · 午饭 lunch · 晚饭 dinner
audio|: 音乐 music · 广播 radio
"""


def _read_nouns() -> tuple[Noun, ...]:
    found: dict[str, tuple[str, str, str]] = {}
    kinds: dict[str, set[str]] = {}
    for row in _NOUNS.strip().splitlines():
        head, _, words = row.partition(":")
        row_kinds, _, classifier = head.partition("|")
        for zh, rest in entries(words):
            en, _, measure = rest.partition(" (")
            found[zh] = (en, classifier, measure.rstrip(")"))
            kinds.setdefault(zh, set()).update(row_kinds.split())
    return tuple(
        Noun(
            zh,
            en,
            classifier,
            frozenset(kinds[zh]),
            measure,
            tuple(a for a in ADJECTIVES if a.kinds & kinds[zh]),
        )
        for zh, (en, classifier, measure) in found.items()
    )


NOUNS = _read_nouns()

# objects | flags: verbs. Flags: state (no progressive, no 了, no place), pet (animals do it too),
# beast (only animals do), done (also in 把 and 被 sentences), mishap (not by will: no wish, no
# request), event (past only with 了, never 正在), and the kinds of place where it is done.
_VERBS = """
|sport: 跑步 run · 散步 walk · 游泳 swim · 锻炼 exercise
|meet: 唱歌 sing · 跳舞 dance · 聊天 chat · 说话 talk · 画画 paint
|meet mishap event: 哭 cry · 笑 laugh · 微笑 smile
|work: 工作 work
|meal: 吃饭 eat · 做饭 cook
|study meet: 休息 rest
|trade: 购物 shop
|event: 起床 get up
|: 旅行 travel · 滑雪 ski · 滑冰 skate
|: 露营 camp · 上网 go online · 洗澡 take ~a bath
|mishap event: 迟到 arrive late
|pet: 睡觉 sleep
|pet event: 来 come · 离开 leave · 回来 return
text|study: 看 read
show|show: 看 watch
picture|show study: 看 look ~at
written|study done: 写 write
text|study: 翻译 translate
printed|library done: 借 borrow
goods|trade done: 买 buy · 卖 sell
device gift bike car|done mishap: 偷 steal
goods|: 找 look ~for
goods|state: 需要 need
person pet|state: 想念 miss
furniture|done: 搬 move
food meal|meal done: 吃 eat
drink|meal done: 喝 drink
prey|beast: 吃 eat
milk|beast: 喝 drink
young|beast: 追 chase
person|beast state: 喜欢 like
cooked meal|meal: 做 make
homework|study: 做 do
car|: 开 drive
opening|done: 打开 open · 关上 close
bike|: 骑 ride
wear|: 穿 wear
hat|: 戴 wear
clothes dish vehicle raw fruit|done: 洗 wash
vehicle device string|done: 修 repair
tool device gift|done mishap: 丢 lose
photo|meet done: 拍 take
song audio|meet: 听 listen ~to
song|meet: 唱 sing
string|meet: 弹 play
kickable|sport: 踢 play
game|sport: 打 play
subject|study: 学习 study
language|meet: 说 speak
language question text|state: 懂 understand
question|study done: 回答 answer
question|study meet: 讨论 discuss
room|done: 打扫 clean
farm pet|: 养 keep
pet farm|: 喂 feed
pet zoo|meet: 画 draw
zoo|state: 害怕 fear
person|meet: 等 wait ~for · 帮助 help · 邀请 invite
person|: 照顾 look ~after · 拜访 visit
person|state: 认识 know · 相信 trust
animal goods person|meet mishap: 看见 see
goods show song game subject animal person|state: 喜欢 like
game song|state: 爱 love
"""


def _read_verbs() -> tuple[Verb, ...]:
    verbs = []
    for row in _VERBS.strip().splitlines():
        head, _, words = row.partition(":")
        objects, flags = head.split("|")
        verbs += [Verb(zh, en, objects, frozenset(flags.split())) for zh, en in entries(words)]
    return tuple(verbs)


VERBS = _read_verbs()

# Verbs with a frame of their own (the rules that use them are in predicates.py).
HAVE, GO = Verb("有", "have"), Verb("去", "go")
GIVE = (Verb("给", "give"), Verb("借给", "lend"), Verb("卖给", "sell"), Verb("寄给", "send"))
PUT = Verb("放", "put")
TEACH = Verb("教", "teach")
THINK = tuple(
    Verb(zh, en)
    for zh, en in entries("""知道 know ~that · 觉得 think ~that · 希望 hope ~that ·
听说 hear ~that · 说 say ~that · 记得 remember ~that · 忘记 forget ~that""")
)
WISH = tuple(Verb(zh, en) for zh, en in entries("想 want ~to · 打算 plan ~to · 喜欢 like ~to"))
# verb of causing, and the "to" that its English takes
CAUSE = ((Verb("让", "let"), ""), (Verb("请", "ask"), "to"), (Verb("叫", "tell"), "to"),
         (Verb("帮", "help"), ""))  # fmt: skip
# how well something is done: verb, adverbs
MANNER = tuple(
    (Verb(zh, en), tuple(entries(adverbs)))
    for zh, en, adverbs in rows("""
跑|run|快 fast · 慢 slowly
走|walk|快 fast · 慢 slowly
游|swim|快 fast · 慢 slowly · 好 well
唱|sing|好 well · 大声 loudly
跳|jump|高 high · 远 far
睡|sleep|好 well · 晚 late
写|write|好 well · 快 fast · 清楚 clearly
说|speak|好 well · 快 fast · 清楚 clearly
学习|study|认真 carefully · 努力 hard
工作|work|认真 carefully · 努力 hard · 慢 slowly
""")
)
MANNER_WITH_OBJECT = (Verb("说", "speak", "language"), Verb("打", "play", "game"))
SKILL = tuple(entries("好 well · 快 fast · 差 badly"))
LASTING = tuple(
    Verb(zh, en, flags=frozenset(flags.split()))
    for zh, en, flags in rows("""
工作|work|work long
休息|rest|study meet long
睡|sleep|
跑|run|sport
哭|cry|meet
等|wait|meet
走|walk|sport
""")
)
LASTING_WITH_OBJECT = (
    Verb("学习", "study", "subject", frozenset({"study", "long"})),
    Verb("打", "play", "game", frozenset({"sport"})),
    Verb("踢", "play", "kickable", frozenset({"sport"})),
    Verb("听", "listen ~to", "audio", frozenset({"meet"})),
)
WITH_FIXED_OBJECT = (*MANNER_WITH_OBJECT, *LASTING_WITH_OBJECT)
MODALS = tuple(entries("能 can · 应该 should · 必须 must · 可以 may"))

PLACES = tuple(
    Place(zh, at, to or f"~the {at.split(maxsplit=2)[-1]}", frozenset(kinds.split()))
    for zh, at, to, kinds in rows("""
图书馆|in ~the library||study library
学校|at school|school|study sport work library
公园|in ~the park||sport meet
医院|at ~the hospital||work
饭馆|in ~the restaurant||meal meet work
咖啡馆|in ~the café||meal meet study
商店|in ~the shop||trade work
超市|in ~the supermarket||trade work
银行|at ~the bank||work
邮局|at ~the post office||work
机场|at ~the airport||meet work
火车站|at ~the train station||meet work
电影院|in ~the cinema||show
博物馆|in ~the museum||meet show
大学|at ~the university||study sport work library
动物园|at ~the zoo||meet
办公室|in ~the office||study work meet
教室|in ~the classroom||study meet
厨房|in ~the kitchen||meal
花园|in ~the garden||meet sport
市场|at ~the market||trade
工厂|in ~the factory||work
酒店|in ~the hotel||meal work show
海边|by ~the sea||sport meet
北京|in Beijing|Beijing|city study sport meet work trade meal show
上海|in Shanghai|Shanghai|city study sport meet work trade meal show
伦敦|in London|London|city study sport meet work trade meal show
巴黎|in Paris|Paris|city study sport meet work trade meal show
纽约|in New York|New York|city study sport meet work trade meal show
""")
)
SIDES = tuple(entries("上 on · 下 under · 旁边 beside · 后面 behind"))
ANCHORS = tuple(n for n in NOUNS if n.zh in {"桌子", "床", "椅子", "箱子"})

# When it happens, in one word.
TIMES = {
    "present": entries("""每天 every day · 早上 in ~the morning · 晚上 in ~the evening ·
周末 at ~the weekend"""),
    "past": entries("""昨天 yesterday · 去年 last year · 上周 last week ·
前天 ~the day before yesterday"""),
    "future": entries("""明天 tomorrow · 明年 next year · 下周 next week ·
后天 ~the day after tomorrow"""),
    "now": entries("现在 now"),
}
# In two: the day, then the part of the day.
DAYS = {
    "present": ("每天", "every"),
    "past": ("昨天", "yesterday"),
    "future": ("明天", "tomorrow"),
}
PARTS_OF_DAY = entries("早上 morning · 下午 afternoon · 晚上 evening")
ONE = ("一", "a")
NUMBERS = tuple(
    entries("""两 two · 三 three · 四 four · 五 five · 六 six · 七 seven · 八 eight ·
九 nine · 十 ten""")
)
POINTERS = (("这", "this"), ("那", "that"))
PLURAL_POINTERS = (("这些", "these"), ("那些", "those"))
QUANTITIES = (("一些", "some"), ("很多", "many"))
UNITS = tuple(
    Noun(zh, en, classifier, frozenset())
    for zh, en, classifier in rows("""
年|year|
天|day|
小时|hour|个
月|month|个
星期|week|个
分钟|minute|
""")
)
MIDDLE = tuple(entries("常常 often · 总是 always · 有时候 sometimes · 也 also"))
DEGREES = tuple(entries("很 very · 非常 extremely · 真 really · 有点 slightly"))
TRANSPORT = tuple(entries("火车 train · 飞机 plane · 地铁 underground · 船 boat"))
WEATHER = (Verb("下雨", "rain"), Verb("下雪", "snow"))
QUESTION_WORDS = {
    "who": ("谁", "who"),
    "what": ("什么", "what"),
    "where": ("哪里", "where"),
    "when": ("什么时候", "when"),
    "why": ("为什么", "why"),
    "how many": ("几", "how many"),
    "which": ("哪", "which"),
}
CONJUNCTIONS = tuple(entries("但是 but · 而且 and · 所以 so · 可是 yet · 然后 then"))
ORDER = (("以前", "before"), ("以后", "after"))
