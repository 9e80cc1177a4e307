"""The report in a real browser."""


def test_it_opens_without_a_request_or_an_error(chromium, demo_report):
    with chromium.page(demo_report) as page:
        assert "Results" in page.inner_text("main:not([hidden])")
