// "Be the scheduler", played with the keyboard alone.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");
const { browser, changed, open, skip, violations } = require("./common.js");

const PAGE = "sync.html";

// Moves the focus into the figure, as a reader does who comes from above.
async function enter(page) {
    const figure = page.locator("figure.schedules");
    await figure.evaluate((figure) => {
        const before = document.createElement("button");
        before.textContent = "before";
        figure.before(before);
        before.focus();
        before.addEventListener("blur", () => before.remove());
    });
    await page.keyboard.press("Tab");
    return figure;
}

const level = (figure) => figure.locator(".level:not([hidden])");
const status = (figure) => level(figure).getByRole("status").innerText();
const focused = (page) => page.evaluate(() => {
    const element = document.activeElement;
    return element.getAttribute("aria-label") || element.textContent.trim() || element.tagName;
});

test("the focus goes through the figure from top to bottom", { skip }, async () => {
    const page = await open(PAGE);
    await enter(page);
    const order = [];
    for (let step = 0; step < 14; step += 1) {
        order.push(await focused(page));
        await page.keyboard.press("Tab");
    }
    assert.deepStrictEqual(order, [
        "Level 1: A load and a store",
        "Level 2: fetch_add, and a load",
        "Level 3: A mutex, locked twice",
        "Level 4: Check, then act",
        "Level 5: A wait without a loop",
        "Level 6: A stack with versions",
        "Run A",
        "Run B",
        "Undo",
        "Start again",
        "Show the whole tree",
        "INPUT",
        "Go",
        order[13],
    ]);
    await page.clean();
});

test("a level is broken with the keyboard alone", { skip }, async () => {
    const page = await open(PAGE);
    const figure = await enter(page);
    assert.strictEqual(await status(figure), "6 schedules are left, 4 of them end wrong.");
    for (const key of ["a", "b"]) {
        await page.keyboard.press(key);
    }
    assert.strictEqual(await status(figure), "2 schedules are left, all of them end wrong.");
    await page.keyboard.press("u");
    assert.strictEqual(await status(figure), "3 schedules are left, 2 of them end wrong.");
    await page.keyboard.press("b");
    await page.keyboard.press("b");
    assert.match(await status(figure), /^✗ You broke it: an update is lost: the counter is 1\./);
    const current = level(figure);
    assert.ok(await current.locator(".lesson").isVisible());
    assert.match(await current.locator(".command").innerText(), /cargo course replay book two_steps:a2/);
    assert.strictEqual(await current.locator("svg .end.seen.wrong").count(), 1);
    const runs = current.getByRole("button", { name: /^Run/ });
    for (const run of await runs.all()) {
        assert.strictEqual(await run.getAttribute("aria-disabled"), "true");
    }
    assert.deepStrictEqual(await violations(page, "figure.schedules"), []);
    await page.clean();
});

test("every level can be broken but the last, and its tree shows it", { skip }, async () => {
    const page = await open(PAGE);
    const figure = page.locator("figure.schedules");
    const buttons = figure.getByRole("group", { name: "Level" }).getByRole("button");
    for (let index = 0; index < 6; index += 1) {
        await buttons.nth(index).focus();
        await page.keyboard.press("Enter");
        const current = level(figure);
        assert.ok(!(await current.locator(".lesson").isVisible()));
        await current.getByRole("button", { name: "Show the whole tree" }).focus();
        await page.keyboard.press("Enter");
        assert.ok(await current.locator(".lesson").isVisible());
        const wrong = await current.locator("svg .end.wrong text").count();
        assert.strictEqual(wrong > 0, index < 5, `level ${index + 1} has ${wrong} wrong ends`);
        assert.ok(await current.locator("svg .end text").first().isVisible());
    }
    await page.clean();
});

test("each string of the table leads to its end, and back to the table", { skip }, async () => {
    const page = await open(PAGE);
    const figure = page.locator("figure.schedules");
    const rows = await figure.locator("details.all tbody tr").evaluateAll((rows) =>
        rows.map((row) => [row.cells[2].textContent, row.cells[1].textContent]),
    );
    assert.strictEqual(rows.length, 97);
    for (const [string, end] of rows) {
        await level(figure).getByLabel("Go to a schedule").fill(string);
        await page.keyboard.press("Enter");
        const [sign] = await status(figure);
        assert.strictEqual(sign, end[0], string);
        assert.ok((await level(figure).locator(".command").innerText()).includes(string));
    }
    await page.clean();
});

test("what is no schedule is said, and changes nothing", { skip }, async () => {
    const page = await open(PAGE);
    const figure = await enter(page);
    await page.keyboard.press("a");
    const before = await status(figure);
    for (const text of ["", "zzz", "two_steps:", "nope:a2b", "<b>x</b>", "a".repeat(10000)]) {
        await level(figure).getByLabel("Go to a schedule").fill(text);
        await page.keyboard.press("Enter");
        const complaint = await level(figure).getByRole("alert").innerText();
        assert.match(complaint, /such as two_steps:|is not a schedule of this level/, text);
        assert.ok(complaint.length < 200);
        assert.strictEqual(await status(figure), before);
    }
    await page.clean();
});

test("a schedule can be pasted in every form in which it is written", { skip }, async () => {
    const page = await open(PAGE);
    const figure = page.locator("figure.schedules");
    const forms = [
        "two_steps:a2bab2a2", "a2bab2a2", "aababbaa", " TWO_STEPS:A2BAB2A2 ",
        "cargo course replay book two_steps:a2bab2a2", "A B A",
    ];
    for (const form of forms) {
        await level(figure).getByRole("button", { name: "Start again" }).dispatchEvent("click");
        await level(figure).getByLabel("Go to a schedule").fill(form);
        await page.keyboard.press("Enter");
        assert.match(await status(figure), /^✗ You broke it/, form);
    }
    // From another level, and to a place in the middle.
    await level(figure).getByLabel("Go to a schedule").fill("two_locks:A");
    await page.keyboard.press("Enter");
    assert.match(await status(figure), /^3 schedules are left/);
    assert.match(await level(figure).locator(".task").innerText(), /^Level 3/);
    await page.clean();
});

test("who has broken a level is led to the next one", { skip }, async () => {
    const page = await open(PAGE);
    const figure = await enter(page);
    const next = () => level(figure).getByRole("button", { name: "Next level" });
    assert.ok(!(await next().isVisible()));
    for (const key of ["a", "b", "a"]) {
        await page.keyboard.press(key);
    }
    assert.ok(await level(figure).locator("li", { hasText: "assert!" }).locator(".failed").isVisible());
    await next().focus();
    await page.keyboard.press("Enter");
    assert.match(await focused(page), /^Level 2/);
    assert.match(await level(figure).locator(".task").innerText(), /^Level 2/);
    await page.clean();
});

test("printed, all levels are there", { skip }, async () => {
    const page = await open(PAGE, { media: { media: "print" } });
    assert.strictEqual(await page.locator("figure.schedules svg.tree:visible").count(), 6);
    assert.ok(!(await page.locator("figure.schedules .show").first().isVisible()));
    await page.clean();
});

test("keys act only inside the figure, and turn no page there", { skip }, async () => {
    const page = await open(PAGE);
    const figure = page.locator("figure.schedules");
    await page.locator("h1").first().click();
    await page.keyboard.press("a");
    assert.match(await status(figure), /^6 schedules/);
    await enter(page);
    for (const key of ["ArrowRight", "ArrowLeft", "s", "/"]) {
        await page.keyboard.press(key);
    }
    assert.ok(page.url().endsWith(PAGE));
    assert.match(await focused(page), /^Level 1/);
    await page.clean();
});

test("data that is damaged or of another version is said", { skip }, async () => {
    const spoilt = [
        (text) => text.replace('class="data">{', 'class="data">['),
        (text) => text.replace('"format":1', '"format":2'),
        (text) => text.replace(/(class="data">).{200}/, "$1"),
    ];
    for (const change of spoilt) {
        const folder = changed(PAGE, change);
        const page = await open(PAGE, { folder });
        const figure = page.locator("figure.schedules");
        assert.match(await figure.locator(".how").innerText(), /damaged or of another version/);
        assert.strictEqual(await figure.locator("svg.tree").count(), 6);
        assert.ok(await figure.locator("pre.program").first().isVisible());
        await page.clean();
        require("node:fs").rmSync(folder, { recursive: true });
    }
});

test("storage that is refused changes nothing", { skip }, async () => {
    const context = await (await browser()).newContext();
    await context.addInitScript(() => {
        Object.defineProperty(window, "localStorage", { get() { throw new DOMException("refused", "SecurityError"); } });
    });
    const page = await context.newPage();
    await page.goto(require("./common.js").address(PAGE));
    const figure = page.locator("figure.schedules");
    await figure.locator(".level:not([hidden]) button").first().click();
    assert.match(await status(figure), /^3 schedules/);
    await context.close();
});
