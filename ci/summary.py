"""summary - counts what ci/test ran: the JUnit files of CTest and the list of stages in one folder.

A test program of cmocka counts as its test cases, by their names; one that ends with "N passed, N
failed" as so many; everything else as one.  A program that ended badly counts at least one failure, whatever it printed before.  Exit status 0
only when nothing failed.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] ([A-Za-z_]\w*)$", re.M)
SUITE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def counts_of_suite(output):
    """The last line of that kind; None when there is none."""
    found = SUITE.findall(output)
    return [int(number or 0) for number in found[-1]] if found else None


def indented(text):
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def reason_of(output):
    lines = [line for line in output.strip().splitlines() if line.strip() and not line.startswith("[")]
    return lines[-1].strip() if lines else "no reason given"


def count_program(case):
    """One CTest test: how many of its cases passed, failed, were skipped; and what to tell."""
    output = case.findtext("system-out") or ""
    status = case.get("status")
    cases = CASE.findall(output)
    passed = [name for word, name in cases if word == "OK"]
    failed = sorted({name for word, name in cases if word == "FAILED"})
    skipped = sorted({name for word, name in cases if word == "SKIPPED"})
    if status in ("notrun", "disabled") or case.find("skipped") is not None:
        return 0, 0, 1, f"skipped: {reason_of(output)}\n"
    told = ""
    suite = counts_of_suite(output) if not cases else None
    if suite is not None:
        lines = "".join(line + "\n" for line in output.splitlines() if line.startswith("FAIL"))
        return suite[0], max(suite[1], status == "fail"), suite[2], f"FAILED:\n{indented(lines)}" if status == "fail" else ""
    if status == "fail":
        why = case.find("failure")
        what = ", ".join(failed) or (why is not None and why.get("message")) or "failed"
        return len(passed), max(1, len(failed)), len(skipped), f"FAILED: {what}\n{indented(output)}"
    if skipped:
        told = f"skipped: {', '.join(skipped)}: {reason_of(output)}\n"
    return max(1, len(passed)) if not skipped else len(passed), 0, len(skipped), told


def main():
    folder = pathlib.Path(sys.argv[1])
    total = [0, 0, 0]
    for file in sorted(folder.glob("*.xml")):
        run = [0, 0, 0]
        slowest = []
        for case in xml.parse(file).getroot().iter("testcase"):
            passed, failed, skipped, told = count_program(case)
            run = [run[0] + passed, run[1] + failed, run[2] + skipped]
            slowest.append((float(case.get("time") or 0), case.get("name")))
            if told:
                print(f"{file.stem}: {case.get('name')}: {told}", end="")
        slow = ", ".join(f"{name} {seconds:.0f} s" for seconds, name in sorted(slowest, reverse=True)[:3])
        print(f"{file.stem}: {len(slowest)} programs: {run[0]} passed, {run[1]} failed, {run[2]} skipped;"
              f" slowest: {slow}")
        total = [a + b for a, b in zip(total, run)]
    machine = folder / "vm.log"
    suite = counts_of_suite(machine.read_text(errors="replace")) if machine.exists() else None
    if suite is not None:
        print(f"vm: {suite[0]} passed, {suite[1]} failed, {suite[2]} skipped")
        total = [a + b for a, b in zip(total, suite)]
    # a stage that could not even give a result is a failure of its own
    for line in (folder / "stages").read_text().splitlines():
        name, status = line.split()
        if status != "0":
            print(f"stage {name} failed")
            total[1] += 1
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    sys.exit(1 if total[1] or not total[0] else 0)


main()
