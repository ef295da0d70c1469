"""The prompts of the recording page, and its hints."""

import numpy as np
import pytest

from benchmarks.page import loops
from cursivetransformer.bank.coverage import next_prompts
from cursivetransformer.bank.prompts import PROMPTS, coverage, read_lines
from tests.collect.common import STARTER, exported, same_strokes
from tests.conftest import real_bank


def test_prompts_come_in_order_from_any_number_and_several_at_a_time(recorder):
    prompts = read_lines(PROMPTS)
    recorder.set("order", "list")
    recorder.set("index", 2499)
    recorder.set("atOnce", 2)
    assert recorder.prompt == " ".join(prompts[2498:2500])
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert recorder.prompt == " ".join(prompts[:2]) and "end of the list" in recorder.note
    recorder.press("s")
    assert recorder.prompt == " ".join(prompts[2:4])
    recorder.set("atOnce", 1)
    postponed = recorder.prompt
    recorder.press("l")
    seen = []
    for _ in range(12):
        seen.append(recorder.prompt)
        recorder.dispatch([loops()])
        recorder.press("Enter")
    assert seen.index(postponed) == 9, "a postponed prompt comes again after ten prompts"
    recorder.set("order", "random")
    shuffled = [recorder.prompt]
    for _ in range(20):
        recorder.press("s")
        shuffled.append(recorder.prompt)
    assert len(set(shuffled)) == 21 and not set(shuffled) <= set(prompts[:60])
    recorder.settled().reload()
    assert recorder.prompt == shuffled[-1]
    assert recorder.page.evaluate("settings.index") == 5 + 12 - 1 + 20


def test_what_was_skipped_can_be_had_back_with_its_ink(recorder):
    text, ink = recorder.prompt, recorder.draw(loops())
    recorder.press("s")
    following = recorder.prompt
    assert text in recorder.note and recorder.strokes == []
    begun = recorder.draw(loops(10))
    recorder.page.click("#note button")
    assert recorder.prompt == text
    same_strokes(recorder.strokes, [ink])
    recorder.press("Enter")
    assert recorder.texts == [text] and recorder.prompt == following
    same_strokes(recorder.strokes, [begun])


def test_undo_on_empty_paper_brings_back_what_was_skipped_or_put_off(recorder):
    seen = [recorder.prompt]
    for key in "sls":
        recorder.press(key)
        seen.append(recorder.prompt)
    assert len(set(seen)) == 4
    ink = recorder.draw(loops())
    recorder.press("s", "Control+z")
    assert recorder.prompt == seen[3] and seen[3] in recorder.note
    same_strokes(recorder.strokes, [ink])
    recorder.press("Control+z")
    assert recorder.prompt == seen[3] and recorder.strokes == [], "first the stroke"
    for prompt in seen[2::-1]:
        recorder.press("Control+z")
        assert recorder.prompt == prompt
    assert recorder.page.evaluate("[memory.skipped, memory.later]") == [[], []]
    recorder.press("s")
    recorder.page.click("#note button")
    recorder.press("Control+z")
    assert recorder.prompt == seen[0], "the button and the key do it once"
    for prompt in seen:
        assert recorder.prompt == prompt, "none is lost on the way back"
        recorder.dispatch([loops()])
        recorder.press("Enter")
    assert recorder.texts == seen


def test_coverage_asks_for_what_is_rare(recorder):
    chosen = recorder.page.evaluate("""() => {
      const counts = new Counts(), done = new Set(), chosen = [];
      for (let i = 0; i < 100; i++) {
        const next = writing.prompts.best(counts, done);
        chosen.push(next);
        counts.add(partsOf(next));
        done.add(next);
      }
      return chosen;
    }""")
    assert chosen[0] == recorder.prompt
    assert chosen == next_prompts([], 100), "the same rule"


def test_advice_on_a_bank_goes_by_the_rule_of_the_page(recorder, tmp_path):
    """`cursive bank advise` lists the prompts that the page would choose next."""
    asked = []
    for _ in range(12):
        asked.append(recorder.prompt)
        recorder.dispatch([loops()])
        recorder.press("Enter")
    _, recorded = exported(recorder, tmp_path / "mine.json")
    assert asked == next_prompts([], 12)
    assert next_prompts(recorded, 1) == [recorder.prompt]


def test_typing_texts_fires_no_shortcut(recorder):
    """A person types a word, Enter, writes it, Enter, types the next."""
    page = recorder.page
    downloads = []
    page.on("download", lambda download: downloads.append(download))
    recorder.set("source", "free")
    texts = ["eels sell 1 2 3 4", "t?", "Ell's \u00e9"]
    for text in texts:
        page.keyboard.type(text)
        recorder.press("Enter")
        assert page.evaluate("document.activeElement.id") == "ink"
        recorder.draw(loops())
        recorder.press("Enter")
        assert page.input_value("#free") == ""
    assert recorder.texts == texts and downloads == []
    page.mouse.click(*recorder.pixels([0.5, 0.5]))  # a dot, by which the paper has the keyboard
    page.keyboard.type("see")
    assert page.input_value("#free") == "see", "what is typed on the paper goes to the text"
    recorder.press("Enter", "s")
    assert recorder.texts == [*texts, "see"] and page.input_value("#free") == "s"
    recorder.press("Enter", "Backspace")
    assert page.input_value("#free") == "" and len(recorder.texts) == 4
    recorder.press("Control+z")
    assert recorder.prompt == "see" and len(recorder.strokes) == 1
    recorder.press("e", "s", "4")
    assert downloads == [] and page.locator("#write").is_visible()
    recorder.press("Enter")
    recorder.set("pen", "shift")
    page.mouse.move(*recorder.pixels([0.4, 0.4]))
    page.mouse.move(*recorder.pixels([0.5, 0.5]))
    page.locator("#ink").focus()
    recorder.press("Shift+L")
    page.keyboard.type("ast")
    assert page.input_value("#free") == "Last" and recorder.strokes == []
    assert not page.locator("#skip").is_visible() and not page.locator("#later").is_visible()


def test_an_own_list_counts_while_it_is_typed(recorder):
    page = recorder.page
    recorder.view("settings")
    assert page.inner_text("#own-told").startswith("empty")
    page.click("#own")
    page.keyboard.type("first line\nsecond")
    assert page.inner_text("#own-told") == "2 lines"
    assert page.input_value("[data-setting=source]") == "own"
    page.fill("#own", "")
    assert page.inner_text("#own-told").startswith("empty")
    assert page.input_value("[data-setting=source]") == "built-in"
    page.fill("#own", "third")
    recorder.settled().reload()
    assert recorder.prompt == "third"


def test_a_flattened_list_can_be_chosen(recorder):
    entropies = []
    for source, list_id in (("flat", "flat-wordbank"), ("built-in", "wordbank")):
        recorder.set("source", source)
        listed = recorder.page.evaluate(f"listIn('{list_id}')")
        assert recorder.page.evaluate("writing.prompts.list") == listed
        assert recorder.prompt in listed
        counts = np.array(list(coverage(listed)[0].values()))
        share = counts / counts.sum()
        entropies.append(-(share * np.log2(share)).sum())
    assert entropies[0] >= entropies[1], "its characters are at least as evenly frequent"


def test_the_goal_is_a_hundred_words_and_more_are_said_to_bring_more(recorder):
    page, progress = recorder.page, lambda: page.inner_text("#progress")
    assert "0 words of 100" in progress()
    recorder.set("goal", 3)
    for _ in range(3):
        assert "goal is reached" not in recorder.note
        recorder.dispatch([loops()])
        recorder.press("Enter")
    assert "goal is reached" in recorder.note and "A hundred" in recorder.note
    assert "3 words, goal reached" in progress() and "A hundred" in progress()
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert "goal is reached" not in recorder.note, "once"
    assert page.evaluate(
        "[99, 100, 250, 5000].map(n => moreWords(n).match(/\\d+|hundred|still/)[0])"
    ) == [
        "hundred",
        "200",
        "400",
        "still",
    ]


def test_own_lists_and_own_texts(recorder, tmp_path):
    recorder.view("settings")
    content = "  na\u00efve \r\n\ntwo  words\nna\u00efve\n".encode()
    file = dict(name="list.txt", mimeType="text/plain", buffer=content)
    recorder.page.set_input_files("#own-file", files=[file])
    recorder.page.wait_for_selector("#own-told:has-text('2 lines')")
    assert recorder.page.input_value("#own") == "na\u00efve\ntwo words"
    recorder.set("order", "list")
    assert recorder.prompt == "na\u00efve"
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert recorder.prompt == "two words"
    recorder.set("source", "free")
    recorder.dispatch([loops()])
    recorder.press("Enter")
    assert recorder.texts == ["na\u00efve"] and "Type what you wrote" in recorder.note
    recorder.page.fill("#free", "  Dear   Bob, ")
    recorder.press("Enter")
    recorder.settled().reload()
    recorder.page.fill("#free", "begun")
    recorder.settled().reload()
    assert recorder.page.input_value("#free") == "begun"
    words = exported(recorder, tmp_path / "bank.json")[1]
    assert [word.text for word in words] == ["na\u00efve", "Dear Bob,"]


def test_the_table_of_letters_marks_the_thin_ones(recorder):
    recorder.set("source", "free")
    for text in ("aaa b", "ab"):
        recorder.page.fill("#free", text)
        recorder.dispatch([loops()])
        recorder.page.click("#add")
    recorder.set("enough", 4)
    recorder.view("letters")
    cells = dict(cell.split() for cell in recorder.page.locator("#counts li").all_inner_texts())
    assert cells["a"] == "4" and cells["b"] == "2" and cells["Q"] == "0"
    thin = {cell.split()[0] for cell in recorder.page.locator("#counts li.thin").all_inner_texts()}
    assert "a" not in thin and {"b", "Q", "7", "&"} <= thin
    label = recorder.page.locator("#counts li", has_text="b").first.get_attribute("aria-label")
    assert label == "b: 2, few"
    assert recorder.page.inner_text("#pairs-told").startswith("1 of "), "ab; aa is not common"


HINTS = """([strokes, text]) => {
  const points = pointsOf(
    strokes.map(stroke => Float64Array.from(stroke.flatMap(([x, y], i) => [x, y, i, NaN])))
  );
  globalThis.habits ??= new Habits();
  return habits.hints({ text, metadata: { aspectRatio: 6 }, ...points });
}"""

# Counts words with a hint, words, words that get a hint without their mark (their shortest
# stroke), and words with such a mark.
COUNT_HINTS = """() => {
  const hands = {}, count = [0, 0, 0, 0];
  for (const entry of alive()) {
    const habits = hands[entry.author] ??= new Habits();
    count[0] += habits.hints(entry).length > 0;
    count[1]++;
    const strokes = strokesOf(entry), lengths = measure(entry).lengths;
    const least = lengths.indexOf(Math.min(...lengths));
    if (/^[a-z]*[ij][a-z]*$/.test(entry.text) && strokes.length > 1) {
      const unmarked = { ...entry, ...pointsOf(strokes.filter((_, i) => i !== least)) };
      count[2] += habits.hints(unmarked).includes("hint_strokes");
      count[3]++;
    }
    habits.learn(entry);
  }
  return count;
}"""


def test_hints_are_given_for_odd_ink_only(recorder):
    hints = lambda strokes, text: recorder.page.evaluate(
        HINTS, [[np.asarray(stroke).tolist() for stroke in strokes], text]
    )
    fine = loops(150, 0.05, 0.2)
    assert hints([fine], "eeee") == []
    assert hints([fine, [[0.1, 0.4], [0.1, 0.41]]], "eeie") == []
    assert hints([fine], "eeie") == ["hint_strokes"]
    assert hints([fine + (0, 0.3)], "eeee") == hints([fine - (0, 0.5)], "eeee") == ["hint_off_line"]
    assert hints([loops(150, 0.01, 0.05)], "eeee eeee eeee") == ["hint_short"]
    assert hints([loops(500, 0.05, 0.95)], "eee") == ["hint_long"]
    assert hints([loops(12, 0.05, 0.2)], "eeee") == ["hint_sparse"]


@pytest.mark.parametrize("bank, most", [("starter", 0.04), ("real", 0.06)])
def test_few_recorded_words_deserve_a_hint_and_most_without_a_mark_do(
    recorder, request, bank, most
):
    if bank == "real":
        request.getfixturevalue("real_words")
    recorder.import_files(real_bank() if bank == "real" else STARTER)
    flagged, words, caught, dropped = recorder.page.evaluate(COUNT_HINTS)
    print(
        f"{bank}: {flagged} of {words} words have a hint, "
        f"{caught} of {dropped} without their shortest stroke"
    )
    assert flagged < most * words and caught > 0.5 * dropped and dropped > 100
