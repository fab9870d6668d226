"""A browser page that records errors and external requests, and helpers that wait for answers."""

PATIENCE = 120_000  # ms; generous, for busy machines

WIDE = {"width": 1280, "height": 900}

QUEUE_JOIN, IDLE = "/gradio_api/queue/join", 300  # path of a request for an answer; ms without one


def settle(page):
    """Wait until an answer is shown, no request has been sent for IDLE ms, and nothing is marked as pending."""
    page.wait_for_selector("#tabs :is(table, figure):visible, #audit-result p:visible", state="attached")
    page.evaluate(
        """async (idle) => {
            const resources = () => performance.getEntriesByType('resource');
            const requests = () => resources().filter((e) => e.name.includes('/queue/')).length;
            for (let count = -1; count !== requests() || document.querySelector('#tabs .pending'); ) {
                count = requests();
                await new Promise((resolve) => setTimeout(resolve, idle));
            }
        }""",
        IDLE,
    )


LEAVING = "this page is being unloaded"


class Window:
    """A page of the browser. Errors on its console and URLs of external requests are added to `complaints`.

    Following a link while an answer is on its way aborts it, and Gradio's scripts report that: errors of a page
    that is being unloaded are ignored.
    """

    def __init__(self, context):
        self.page, self.complaints, self._own, self._leaving = context.new_page(), [], (), False
        # runs before Gradio's own listener, which aborts requests
        self.page.add_init_script(f"addEventListener('beforeunload', () => console.log('{LEAVING}'))")
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("request", self._on_request)
        self.page.on("framenavigated", self._on_navigation)

    def _on_request(self, request):
        if not request.url.startswith(self._own):
            self.complaints.append(request.url)

    def _on_console(self, message):
        if message.text == LEAVING:
            self._leaving = True
        elif message.type == "error":
            self._complain(message.text)

    def _complain(self, text):
        if not self._leaving:
            self.complaints.append(text)

    def _on_navigation(self, frame):
        if frame == self.page.main_frame:
            self._leaving = False

    def open(self, url, path="/"):
        """The app's page at a path such as "/?tab=steps", with its first answer."""
        self._own = (url, "data:", "blob:")
        self.page.set_viewport_size(WIDE)
        self.page.goto(url + path)
        settle(self.page)
        return self.page


def wait_for_verdict(page, text):
    """The prediction in words, once it includes the text."""
    page.wait_for_function("text => document.querySelector('#verdict')?.innerText.includes(text)", arg=text)
    return page.inner_text("#verdict")


def choose(page, dropdown, label):
    page.click(f"{dropdown} input")
    page.click(f"ul[role=listbox] li[aria-label='{label}']")


def audit_val(page):
    """Run the shortest audit: one model, one split, no repainting."""
    choose(page, "#compare", "no other")
    page.uncheck("#repaint input")
    choose(page, "#split", "val")
    settle(page)  # a cached result is shown without the button, once for each of the choices
    if not page.locator("#audit-result table.accuracy").count():
        page.click("#audit-start")
    page.wait_for_selector("#audit-result table.accuracy")
    settle(page)
