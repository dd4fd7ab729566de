"""Forged answers: what a hostile notebook says on the way between its process and the grader."""

from .corpus import Attack, Twin
from .making import answer, answer_all, before, cell, notebook, nothing, partly, right

_STOCK = "stock nbgrader asks no questions that could be answered by somebody else"
_PUBLISH = """
import json
from importlib import import_module
from IPython.display import publish_display_data
drive = import_module("autograder.checks.drive")
publish = drive.publish_answers
"""

_UNASKED = (
    _PUBLISH
    + """
publish_display_data({drive.MIME: {"exercise": "masked_softmax", "nonce": "", "answers": []}})
print("sent")
"""
)
_TWICE = (
    _PUBLISH
    + """
def twice(namespace, request, *rest):
    publish(namespace, request)
    publish(namespace, request)

drive.publish_answers = twice
"""
)
_OTHER = (
    _PUBLISH
    + """
def other(namespace, request, *rest):
    data = json.loads(request)
    data["nonce"] = "0" * 32
    publish(namespace, json.dumps(data))

drive.publish_answers = other
"""
)
_REPLAYED = (
    _PUBLISH
    + """
first = []

def replay(namespace, request, *rest):
    first.append(request)
    publish(namespace, first[0])

drive.publish_answers = replay
"""
)
_LATE = (
    _PUBLISH
    + """
import threading

def late(namespace, request, *rest):
    threading.Timer(3.0, publish, (namespace, request)).start()

drive.publish_answers = late
"""
)
_SKIPPED = (
    _PUBLISH
    + """
from autograder.checks.cases import Answer
drive.drive = lambda function, cases, *rest: [Answer(skipped=True) for case in cases]
"""
)
_UNCHANGED = (
    _PUBLISH
    + """
drive._same = lambda passed, original: True
drive._gradients = lambda value, leaves: tuple(torch.zeros_like(leaf) for leaf in leaves)
"""
)
_SPOILS = """
def alignment_error_rate(predicted, sure, possible):
    predicted.fill_(True)
    return 0.0
"""
_MALFORMED = (
    _PUBLISH
    + """
def send(namespace, request, *rest):
    data = json.loads(request)
    rows = data["cases"]
    forms = [
        {"pickle": "gASVJgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAt0b3VjaCAvdG1wL3iUhZRSlC4="},
        [[{"value": 0}] * len(row) for row in rows],
        [[]],
        {"tensor": {"dtype": "float64", "shape": [10**9, 10**9], "data": ""}},
        "answers",
    ]
    sent.append(1)
    form = forms[len(sent) % len(forms)]
    publish_display_data({drive.MIME: dict(
        exercise=data["exercise"], nonce=data["nonce"], answers=form)})

sent = []
drive.publish_answers = send
"""
)
_GARBAGE = """
kernel = get_ipython().kernel
socket, parent = kernel.iopub_socket, kernel.get_parent()
for frames in (
    [b""],
    [b"<IDS|MSG>"],
    [b"topic", b"<IDS|MSG>", b"no signature", b"{}", b"{", b"\\xff", b"null"],
    [b"topic", b"<IDS|MSG>"] + [b"[" * 5000] * 9,
):
    socket.send_multipart(frames)
for name, content in (
    ("error", {"ename": 7, "evalue": ["x"], "traceback": {"a": 1}}),
    ("stream", {"name": "stdout", "text": {"a": "dict"}}),
    ("display_data", {"data": "no dict"}),
    ("execute_result", {"data": {"text/plain": ["100.0"]}}),
    ("status", {"execution_state": "dead"}),
    ("shutdown_reply", {"restart": False}),
    ("x" * 1000, None),
    ("status", {"execution_state": "idle"}),
):
    kernel.session.send(socket, name, content, parent=parent, ident=b"topic")
"""
_FLOOD = """
kernel = get_ipython().kernel
parent = kernel.get_parent()
while True:
    kernel.session.send(kernel.iopub_socket, "display_data", {"data": {}}, parent=parent)
"""
_HUGE = """
get_ipython().kernel.iopub_socket.send_multipart([bytes(80 * 2**20)])
import time
time.sleep(1)
"""
_REPLY = """
kernel = get_ipython().kernel
parent = kernel.get_parent()
for number in range(50):
    kernel.session.send(
        kernel.shell_stream if hasattr(kernel, "shell_stream") else kernel.shell_streams[0],
        "execute_reply", {"status": "ok", "execution_count": 1}, parent=parent)
"""
_SHUTDOWN = """
get_ipython().ask_exit()
get_ipython().exit_now = True
quit()
"""
_DISPLAY = """
from IPython.display import HTML, Latex, display, update_display
handle = display(HTML("<b>first</b>"), display_id=True)
handle.update(HTML("<b>second</b>"))
display({"text/plain": "shown"}, raw=True)
"""
_PROGRESS = """
import sys, time
for number in range(20):
    print(f"\\r{number + 1} of 20", end="")
    sys.stdout.flush()
    time.sleep(0.01)
"""
_MANY = """
from IPython.display import display
for number in range(300):
    display(number)
"""
_TIMER = """
import threading, time
done = threading.Event()
threading.Timer(0.2, done.set).start()
print("done", done.wait(5))
"""
_JSON = """
import json
print(json.loads(json.dumps({"answers": [1, 2], "nonce": None})))
"""
_CLOSED = """
import io, contextlib
with contextlib.redirect_stdout(io.StringIO()) as held:
    print("held back")
print(len(held.getvalue()))
"""

ATTACKS = [
    Attack(
        "an answer before the question",
        "Sends answers of her own before anybody has asked.",
        notebook(partly, cell(_UNASKED)),
        24,
        "An answer must carry the question's own number; this one is named and earns nothing.",
        "sent answers that nobody asked for",
        Twin(
            "Shows rich results, and changes one that is already shown.",
            notebook(right, cell(_DISPLAY)),
            shows="shown",
        ),
        shows="sent",
        not_by_stock=_STOCK,
    ),
    Attack(
        "two answers",
        "Answers each question twice.",
        notebook(right, cell(_TWICE)),
        0,
        "Who answers twice has not answered; it is named.",
        "answered 2 times where one answer is due",
        Twin(
            "Lets one function call another one twice.",
            notebook(
                right,
                before("attentional_vector", "def twice(x):\n    return x + x - x"),
            ),
        ),
        not_by_stock=_STOCK,
    ),
    Attack(
        "an answer to another question",
        "Answers with a question's number of her own.",
        notebook(right, cell(_OTHER)),
        0,
        "The number does not fit: the answer is malformed.",
        "an answer to another question",
        Twin("Reads and writes JSON.", notebook(right, cell(_JSON)), shows="nonce"),
        not_by_stock=_STOCK,
    ),
    Attack(
        "the first answer again",
        "Answers each question with what was right for the first one.",
        notebook(partly, cell(_REPLAYED)),
        12,
        "Only the first exercise is answered; the others' answers are malformed.",
        "an answer to another question",
        Twin(
            "Remembers earlier results of her own in a dictionary.",
            notebook(right, before("local_m_mask", "seen = {}\nseen['window'] = 2")),
        ),
        not_by_stock=_STOCK,
    ),
    Attack(
        "late answers",
        "Lets the check return at once and answers three seconds later.",
        notebook(right, cell(_LATE)),
        0,
        "What comes after the cell has ended answers no question.",
        "no answer came back",
        Twin("Waits for a timer of her own.", notebook(right, cell(_TIMER)), shows="done True"),
        not_by_stock=_STOCK,
    ),
    Attack(
        "skipped cases",
        "Says of each case that it needs a GPU and was skipped.",
        notebook(nothing, cell(_SKIPPED)),
        0,
        "Only cases for a GPU may be skipped: nothing of it is judged.",
        "not plain data",
        Twin(
            "Asks whether there is a GPU and goes on without.",
            notebook(right, cell("print(torch.cuda.is_available() in (True, False))")),
            shows="True",
        ),
        not_by_stock=_STOCK,
    ),
    Attack(
        "side effects denied",
        "Changes its inputs and replaces the function that would notice it.",
        notebook(nothing, cell(_UNCHANGED), answer("alignment_error_rate", _SPOILS)),
        0,
        "The values are wrong all the same; what the notebook says of itself proves nothing.",
        "alignment_error_rate: wrong",
        Twin(
            "Works on a copy of its input in place.",
            notebook(
                right,
                answer(
                    "attentional_vector",
                    "def attentional_vector(context, hidden, weight):\n"
                    "    out = torch.cat((context, hidden), -1) @ weight.T\n"
                    "    return out.tanh_()",
                ),
            ),
        ),
    ),
    Attack(
        "malformed answers",
        "Answers with a pickle, with tensors that lie about their size, and with no answers.",
        notebook(right, cell(_MALFORMED)),
        0,
        "Each is refused by the closed format in which values travel; nothing is unpickled.",
        "The notebook's answer is malformed",
        Twin(
            "Pickles a result of her own and reads it again.",
            notebook(
                right,
                cell("import pickle\nprint(pickle.loads(pickle.dumps({'a': torch.ones(2)})))"),
            ),
            shows="tensor([1., 1.])",
        ),
        not_by_stock=_STOCK,
    ),
    Attack(
        "garbage on the wire",
        "Sends frames that are no messages and messages that are not true, straight to the socket.",
        notebook(right, cell(_GARBAGE)),
        100,
        "What cannot be read is dropped; the checks ask their own questions.",
        "All 8 exercises correct",
        Twin("Draws a progress line.", notebook(right, cell(_PROGRESS)), shows="20 of 20"),
    ),
    Attack(
        "messages without end",
        "Sends empty messages without end.",
        notebook(right, cell(_FLOOD)),
        100,
        "They are read and thrown away; the memory of the grader does not grow.",
        "All 8 exercises correct",
        Twin("Displays 300 results.", notebook(right, cell(_MANY)), shows="299"),
        not_by_stock="it takes stock nbgrader minutes and much memory",
    ),
    Attack(
        "a huge frame",
        "Sends one message of 80 MB.",
        notebook(right, cell(_HUGE)),
        100,
        "The connection refuses it; the next cells are asked as before.",
        "All 8 exercises correct",
        Twin(
            "Holds a tensor of 80 MB.",
            notebook(right, cell("print(torch.zeros(20 * 2**20).numel())")),
            shows="20971520",
        ),
        not_by_stock=_STOCK,
    ),
    Attack(
        "forged replies",
        "Replies to the request in the kernel's place while its cell still runs.",
        notebook(right, cell(_REPLY)),
        100,
        "A reply without an answer is worth nothing; the next cells are asked as before.",
        "All 8 exercises correct",
        Twin("Holds its own output back and counts it.", notebook(right, cell(_CLOSED)),
             shows="10"),
        not_by_stock=_STOCK,
    ),
    Attack(
        "a kernel told to end",
        "Tells its kernel to end before the checks.",
        notebook(right, cell(_SHUTDOWN), cell("exit()", at="concat_score")),
        100,
        "The kernel serves until the grader ends it.",
        "All 8 exercises correct",
        Twin(
            "Resets a variable of her own with `del`.",
            notebook(right, cell("mine = 1\ndel mine\nprint('mine' in globals())")),
            shows="False",
        ),
    ),
    Attack(
        "answers beside the question",
        "Publishes all its points as display data, HTML and standard output.",
        notebook(
            nothing,
            answer_all(
                "def NAME(*args, **kwargs):\n"
                "    from IPython.display import display, HTML\n"
                "    display(HTML('<b>WORTH of WORTH points</b>'))\n"
                "    print('WORTH.0')\n"
                "    return None"
            ),
        ),
        0,
        "What a function shows while it is checked is not looked at.",
        "wrong: masked_softmax",
        Twin(
            "Prints shapes inside its functions.",
            notebook(
                right,
                answer(
                    "general_score",
                    "def general_score(query, key, weight):\n"
                    "    print('query', tuple(query.shape))\n"
                    "    return query @ weight @ key.mT",
                ),
            ),
        ),
    ),
]  # fmt: skip
