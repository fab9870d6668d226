"""A page of a browser, whose complaints are kept, and when it has come to rest."""

PATIENCE = 120_000  # ms; a bound for machines that do other work, no wish

WIDE = {"width": 1280, "height": 900}

ASKED, AT_REST = "/gradio_api/queue/join", 300  # the request that asks for an answer; ms without one


def settle(page):
    """Wait until the page has what it asked for: an answer is there, nothing is asked, awaited or marked as pending any more."""
    page.wait_for_selector("#tabs :is(table, figure):visible, #audit-result p:visible", state="attached")
    page.evaluate(
        """async (rest) => {
            const asked = () => performance.getEntriesByType('resource').filter((e) => e.name.includes('/queue/')).length;
            for (let seen = -1; seen !== asked() || document.querySelector('#tabs .pending'); ) {
                seen = asked();
                await new Promise((after) => setTimeout(after, rest));
            }
        }""",
        AT_REST,
    )


LEAVING = "this page is being left"


class Window:
    """A page of the browser. What its console and network complain of is added to `complaints`: errors, and requests to elsewhere.

    Whoever follows a link while an answer comes breaks it off, of which Gradio's scripts complain; nobody reads that any more.
    """

    def __init__(self, context):
        self.page, self.complaints, self._own, self._leaving = context.new_page(), [], (), False
        self.page.add_init_script(
            f"addEventListener('beforeunload', () => console.log('{LEAVING}'))"
        )  # before Gradio's own, which breaks off
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on(
            "request",
            lambda request: self.complaints.append(request.url) if not request.url.startswith(self._own) else None,
        )
        self.page.on("framenavigated", self._arrived)

    def _said(self, message):
        if message.text == LEAVING:
            self._leaving = True
        elif message.type == "error":
            self._complain(message.text)

    def _complain(self, words):
        if not self._leaving:
            self.complaints.append(words)

    def _arrived(self, frame):
        if frame == self.page.main_frame:
            self._leaving = False

    def open(self, url, path="/"):
        """The app's page, "/?tab=steps", with its first answer on it."""
        self._own = (url, "data:", "blob:")
        self.page.set_viewport_size(WIDE)
        self.page.goto(url + path)
        settle(self.page)
        return self.page


def say(page, words):
    page.wait_for_function("words => document.querySelector('#verdict')?.innerText.includes(words)", arg=words)
    return page.inner_text("#verdict")


def choose(page, part, label):
    page.click(f"{part} input")
    page.click(f"ul[role=listbox] li[aria-label='{label}']")


def ask_about_val(page):
    """The short audit: one model, one split, no repainting."""
    choose(page, "#compare", "no other")
    page.uncheck("#repaint input")
    choose(page, "#split", "val")
    settle(page)  # an answer that is known already comes by itself, one for each of the choices
    if not page.locator("#audit-result table.accuracy").count():
        page.click("#audit-start")
    page.wait_for_selector("#audit-result table.accuracy")
    settle(page)
