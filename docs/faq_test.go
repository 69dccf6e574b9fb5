package docs

import (
	"os/exec"
	"strings"
	"testing"
)

// The compiler still writes the errors that the page explains.
func TestTheCompilerWritesTheErrorsOfThePage(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", t.TempDir(), "./testdata/compile").CombinedOutput()
	if err == nil {
		t.Fatal("the mistakes compile")
	}
	page, found := pages(t)["../docs/faq.md"], 0
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "testdata/compile/"); ok {
			found++
			if !strings.Contains(page, "\n"+text+"\n") {
				t.Errorf("faq.md does not quote %q", text)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d errors instead of 3:\n%s", found, out)
	}
}
