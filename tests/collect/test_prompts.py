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
    prompts = read_lines(PROMPTS)
    assert chosen[0] == recorder.prompt and len(set(chosen)) == 100 and set(chosen) <= set(prompts)
    # Compare with as many characters in the order of the list, which is random.
    n_characters = sum(map(len, chosen))
    listed = []
    for start in range(0, 2400, 200):
        end = next(
            end for end in range(start, 2500) if sum(map(len, prompts[start:end])) >= n_characters
        )
        listed.append(coverage(prompts[start:end]))
    chars, pairs = coverage(chosen)
    fewest = lambda chars: min(chars[char] for char in "abcdefghijklmnopqrstuvwxyz")
    distinct = lambda chars: len(set(chars))
    listed_pairs = [len(pairs) for _, pairs in listed]
    listed_fewest = [fewest(chars) for chars, _ in listed]
    listed_distinct = [distinct(chars) for chars, _ in listed]
    print(
        f"{n_characters} characters: {len(pairs)} pairs, each letter {fewest(chars)} times or "
        f"more, {distinct(chars)} characters; in the list's order {np.mean(listed_pairs):.0f}, "
        f"{np.mean(listed_fewest):.1f}, {np.mean(listed_distinct):.0f}"
    )
    assert len(pairs) > 1.1 * max(listed_pairs)
    assert fewest(chars) > np.mean(listed_fewest)
    assert distinct(chars) >= np.mean(listed_distinct)


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
    assert recorder.page.inner_text("#pairs-told").startswith("2 of "), "aa and ab"


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
