// Be the scheduler: lets the reader choose, step by step, which thread runs next.
// The page holds all schedules of each level as data, recorded by running the
// program. Without this script, each level shows them as a picture and a table.
(function () {
    "use strict";
    var FORMAT = 1;
    // What a node of the data holds, in this order.
    var SCHEDULE = 0, STEPS = 1, LINES = 2, VALUES = 3, NEXT = 4, RIGHT = 5, SAYS = 6;
    var WRONG = 1;

    var make = window.figureParts.make;
    var button = window.figureParts.button;

    // A button that keeps the focus although it does nothing now.
    function enable(button, is) {
        button.setAttribute("aria-disabled", String(!is));
    }

    // Counts the schedules below each node, and numbers the nodes in the order in
    // which the picture numbers them.
    function prepare(tree) {
        var nodes = [];
        (function walk(node, parent, thread) {
            var known = { data: node, parent: parent, thread: thread, number: nodes.length, kids: [null, null] };
            nodes.push(known);
            known.ends = node[NEXT][0] || node[NEXT][1] ? 0 : 1;
            known.wrong = node[RIGHT] === WRONG ? 1 : 0;
            [0, 1].forEach(function (thread) {
                if (node[NEXT][thread]) {
                    var kid = walk(node[NEXT][thread], known, thread);
                    known.kids[thread] = kid;
                    known.ends += kid.ends;
                    known.wrong += kid.wrong;
                }
            });
            return known;
        })(tree, null, null);
        return nodes;
    }

    function Level(game, data, element) {
        this.game = game;
        this.data = data;
        this.element = element;
        this.nodes = prepare(data.tree);
        this.here = this.nodes[0];
        this.seen = {};
        this.isSolved = false;
        this.build();
    }

    Level.prototype.build = function () {
        var level = this;
        var names = this.game.threads;
        var program = this.element.querySelector("pre.program");
        this.list = make("ol", { class: "program", "aria-label": "The program" });
        program.textContent.replace(/\u200b/g, "").replace(/\n$/, "").split("\n").forEach(function (text) {
            var marks = make("span", { class: "marks" });
            var code = make("code", {}, [text]);
            // What does not fit into a line goes on below, further in.
            code.style.setProperty("--indent", text.search(/\S|$/) + "ch");
            if (/^\s*\/\//.test(text)) {
                code.className = "comment";
            }
            level.list.append(make("li", {}, [marks, code]));
        });
        this.run = names.map(function (name, thread) {
            return button("Run " + name, function () {
                level.go(thread);
            });
        });
        this.undo = button("Undo", function () {
            level.move(level.here.parent);
        });
        this.again = button("Start again", function () {
            level.move(level.nodes[0]);
        });
        this.onward = button("Next level", function () {
            level.game.open(level.game.current + 1);
            level.game.buttons[level.game.current].focus();
        });
        this.status = make("p", { class: "status", role: "status" });
        this.memory = make("dl", { class: "memory", "aria-label": "Memory" });
        this.values = this.data.shared.map(function (name) {
            var value = make("dd");
            level.memory.append(make("div", {}, [make("dt", {}, [name]), value]));
            return value;
        });
        this.history = make("tbody");
        var head = make("tr", {}, names.map(function (name) {
            return make("th", { scope: "col" }, ["Thread " + name]);
        }));
        var table = make("table", { class: "history" }, [
            make("caption", {}, ["What has happened"]),
            make("thead", {}, [head]),
            this.history,
        ]);
        this.string = make("code");
        this.field = make("input", { type: "text", size: "16", autocomplete: "off", spellcheck: "false" });
        this.complaint = make("p", { class: "complaint", role: "alert" });
        var form = make("form", { class: "string" }, [
            make("label", {}, ["Go to a schedule: ", this.field]),
            make("button", { type: "submit" }, ["Go"]),
        ]);
        form.addEventListener("submit", function (event) {
            event.preventDefault();
            level.paste(level.field.value.trim());
        });
        this.command = make("p", { class: "command" }, [
            "In a terminal, this is ", this.string, ".",
        ]);
        this.show = button("Show the whole tree", function () {
            level.isShown = !level.isShown;
            level.draw();
        });
        this.show.className = "show";
        this.lesson = this.element.querySelector(".lesson");
        this.tree = this.element.querySelector("svg.tree");
        this.tree.classList.add("playing");
        this.board = make("div", { class: "board" }, [
            make("div", { class: "moves" }, [
                make("div", { class: "buttons", role: "group", "aria-label": "Moves" },
                    this.run.concat([this.undo, this.again, this.onward])),
                this.status,
            ]),
            make("div", { class: "code" }, [this.list, this.memory]),
            make("div", { class: "past" }, [table]),
        ]);
        program.replaceWith(this.board);
        this.element.querySelector(".legend").after(this.show, this.command, form, this.complaint);
        this.draw();
    };

    Level.prototype.go = function (thread) {
        if (this.here.kids[thread]) {
            this.move(this.here.kids[thread]);
        }
    };

    Level.prototype.move = function (node) {
        if (!node) {
            return;
        }
        this.here = node;
        if (node.ends === 1 && !node.kids[0] && !node.kids[1]) {
            this.seen[node.number] = true;
        }
        this.complaint.textContent = "";
        this.draw();
    };

    // A letter for each step: a2b is aab.
    function longhand(schedule) {
        return schedule.replace(/([a-z])(\d{1,3})/g, function (_, letter, count) {
            return letter.repeat(Number(count));
        });
    }

    // Goes to where a schedule leads that a reader has typed: as the figure or the table writes it, or
    // by the letters of the choices.
    Level.prototype.paste = function (text) {
        var level = this;
        var typed = text.replace(/^.*\bbook\s+/i, "").slice(0, 400);
        var parts = typed.split(":");
        var name = parts.length > 1 ? parts[0].trim().toLowerCase() : this.data.name;
        var steps = parts[parts.length - 1].trim();
        if (name !== this.data.name && this.game.select(name, text)) {
            this.field.value = "";
            return;
        }
        var found = null;
        if (name === this.data.name && steps !== "") {
            // Capital letters alone are choices, as in the table.
            if (/^[A-Z\s]+$/.test(steps)) {
                found = steps.replace(/\s/g, "").split("").reduce(function (node, letter) {
                    return node && node.kids[level.game.threads.indexOf(letter)];
                }, this.nodes[0]);
            }
            found = found || this.nodes.filter(function (node) {
                return longhand(node.data[SCHEDULE]) === longhand(steps.toLowerCase());
            })[0];
        }
        if (found) {
            this.move(found);
        } else {
            this.complaint.textContent = text === ""
                ? "Type a schedule, such as " + this.data.name + ":" + this.example() + "."
                : "“" + text.slice(0, 60) + "” is not a schedule of this level. One is "
                    + this.data.name + ":" + this.example() + ".";
        }
    };

    Level.prototype.example = function () {
        var ends = this.nodes.filter(function (node) {
            return !node.kids[0] && !node.kids[1];
        });
        return ends[ends.length - 1].data[SCHEDULE];
    };

    Level.prototype.draw = function () {
        var level = this;
        var here = this.here;
        var names = this.game.threads;
        var texts = this.game.texts;
        var isOver = !here.kids[0] && !here.kids[1];
        var isWrong = here.data[RIGHT] === WRONG;
        // The way from the beginning.
        var way = [];
        for (var node = here; node; node = node.parent) {
            way.unshift(node);
        }
        this.history.replaceChildren();
        way.forEach(function (node, place) {
            for (var at = 0; at < node.data[STEPS].length; at += 3) {
                var cells = [make("td"), make("td")];
                var thread = node.data[STEPS][at];
                cells[thread].append(make("code", {}, [texts[node.data[STEPS][at + 2]]]));
                if (at > 0) {
                    cells[thread].append(make("span", { class: "forced", title: "Only " + names[thread] + " could go on." },
                        [" · forced"]));
                }
                var row = make("tr", {}, cells);
                if (node === here && place > 0) {
                    row.className = "new";
                }
                level.history.append(row);
            }
        });
        Array.prototype.forEach.call(this.list.children, function (line, index) {
            var marks = line.firstChild;
            marks.replaceChildren();
            if (isOver && isWrong && line.textContent.indexOf("assert!") >= 0) {
                marks.append(make("span", { class: "at failed" }, ["✗", make("span", { class: "spoken" }, [" fails: "])]));
            }
            here.data[LINES].forEach(function (at, thread) {
                if (at === index + 1 && !isOver) {
                    var is = make("span", { class: "at at-" + thread }, [names[thread]]);
                    is.append(make("span", { class: "spoken" }, [" is at: "]));
                    marks.append(is);
                }
            });
        });
        this.values.forEach(function (element, index) {
            var value = texts[here.data[VALUES][index]];
            var before = here.parent && texts[here.parent.data[VALUES][index]];
            element.textContent = value;
            element.classList.toggle("changed", before !== null && before !== value);
        });
        [0, 1].forEach(function (thread) {
            enable(level.run[thread], !isOver && here.kids[thread]);
        });
        enable(this.undo, here.parent);
        enable(this.again, here.parent);
        var isAll = this.nodes.every(function (node) {
            return node.kids[0] || node.kids[1] || level.seen[node.number];
        });
        // A program that cannot be broken has resisted if an attempt of its own has failed.
        var hasResisted = this.nodes[0].wrong === 0 && isOver && way.some(function (node) {
            return node.data[STEPS].some(function (part, at) {
                return at % 3 === 2 && texts[part].indexOf("Err(") >= 0;
            });
        });
        this.isSolved = this.isSolved || isWrong || hasResisted || isAll;
        this.lesson.hidden = !(this.isSolved || this.isShown);
        this.onward.hidden = !this.isSolved || this.game.isLast(this);
        this.status.className = "status" + (isOver ? isWrong ? " wrong" : " right" : "");
        this.status.textContent = isOver ? this.verdict(isWrong, isAll) : this.left();
        this.string.textContent = "cargo course replay book " + this.data.name + ":" + here.data[SCHEDULE];
        this.command.hidden = !isOver;
        this.show.textContent = this.isShown ? "Hide what you have not tried" : "Show the whole tree";
        this.show.setAttribute("aria-pressed", String(Boolean(this.isShown)));
        this.element.querySelector("details.all").hidden = !(this.isShown || this.lesson.hidden === false);
        // The picture: the way until here, and the ends that were tried.
        this.tree.classList.toggle("shown", Boolean(this.isShown));
        this.tree.querySelectorAll("[data-node]").forEach(function (part) {
            var number = Number(part.getAttribute("data-node"));
            part.classList.toggle("on", way.some(function (node) {
                return node.number === number;
            }));
            part.classList.toggle("here", number === here.number);
            part.classList.toggle("seen", Boolean(level.seen[number]));
        });
        this.game.mark();
    };

    Level.prototype.left = function () {
        var here = this.here;
        var count = here.ends === 1 ? "1 schedule is left" : here.ends + " schedules are left";
        var wrong = here.wrong === 0 ? "none of them ends wrong" :
            here.wrong === here.ends ? (here.ends === 1 ? "it ends wrong" : "all of them end wrong") :
            here.wrong === 1 ? "1 of them ends wrong" : here.wrong + " of them end wrong";
        return count + ", " + wrong + ".";
    };

    Level.prototype.verdict = function (isWrong, isAll) {
        if (isWrong) {
            return "✗ You broke it: " + this.game.texts[this.here.data[SAYS]] + ".";
        }
        if (this.nodes[0].wrong > 0) {
            return "✓ Everything is as it should be. Undo, and try another way.";
        }
        var tried = Object.keys(this.seen).length;
        return isAll
            ? "✓ Everything is as it should be, in all " + this.nodes[0].ends + " schedules. This program cannot be broken."
            : "✓ Everything is as it should be. You have tried " + tried + " of " + this.nodes[0].ends
                + " schedules. Undo, or show the whole tree.";
    };

    function Game(figure, data) {
        var game = this;
        this.figure = figure;
        this.threads = data.threads;
        this.texts = data.texts;
        this.picks = make("div", { class: "levels", role: "group", "aria-label": "Level" });
        this.levels = [];
        this.mark = function () {};
        var elements = figure.querySelectorAll(".level");
        this.levels = data.levels.map(function (level, index) {
            return new Level(game, level, elements[index]);
        });
        this.buttons = this.levels.map(function (level, index) {
            var made = button(String(index + 1), function () {
                game.open(index);
            });
            game.picks.append(made);
            return made;
        });
        this.mark = function () {
            game.levels.forEach(function (level, index) {
                var name = "Level " + (index + 1) + ": " + level.element.getAttribute("data-title");
                game.buttons[index].setAttribute("aria-label", level.isSolved ? name + ", done" : name);
                game.buttons[index].title = name;
                game.buttons[index].textContent = (index + 1) + (level.isSolved ? " ✓" : "");
            });
        };
        this.mark();
        figure.prepend(this.picks, make("p", { class: "how" }, [
            "You decide who runs next. Press the buttons, or the keys A, B and U (undo) while the focus is in this figure. ",
            "If only one thread can go on, for example because the other one waits for a lock, it goes on by itself.",
        ]));
        // So that the keys work after a click on something that takes no focus.
        figure.tabIndex = -1;
        figure.classList.add("alive");
        figure.addEventListener("keydown", function (event) {
            game.key(event);
        });
        this.open(0);
    }

    Game.prototype.isLast = function (level) {
        return this.levels.indexOf(level) === this.figure.querySelectorAll(".level").length - 1;
    };

    Game.prototype.open = function (index) {
        this.current = index;
        this.levels.forEach(function (level, other) {
            level.element.hidden = other !== index;
        });
        this.buttons.forEach(function (button, other) {
            button.setAttribute("aria-pressed", String(other === index));
        });
    };

    // True if there is such a level.
    Game.prototype.select = function (name, text) {
        for (var index = 0; index < this.levels.length; index += 1) {
            if (this.levels[index].data.name === name) {
                this.open(index);
                this.levels[index].paste(text);
                this.levels[index].field.value = "";
                this.levels[index].field.focus();
                return true;
            }
        }
        return false;
    };

    Game.prototype.key = function (event) {
        // mdBook turns the page on arrow keys, and searches on some letters.
        event.stopPropagation();
        if (event.target.tagName === "INPUT" || event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        var level = this.levels[this.current];
        var key = event.key.toUpperCase();
        var thread = this.threads.indexOf(key);
        if (thread >= 0) {
            level.go(thread);
        } else if (key === "U") {
            level.move(level.here.parent);
        } else {
            return;
        }
        event.preventDefault();
    };

    document.querySelectorAll("figure.schedules").forEach(function (figure) {
        var data = null;
        // The page that is printed has no data.
        if (!figure.querySelector("script.data")) {
            return;
        }
        try {
            data = JSON.parse(figure.querySelector("script.data").textContent);
        } catch (error) {
            // Said below.
        }
        var isWhole = data && data.format === FORMAT
            && data.levels.length === figure.querySelectorAll(".level").length;
        if (isWhole) {
            new Game(figure, data);
        } else {
            figure.prepend(make("p", { class: "how" }, [
                "This figure can be played, but its data is damaged or of another version. Here is what was recorded.",
            ]));
        }
    });
})();
