package docs

import (
	"regexp"
	"strings"
	"testing"
)

// concatenation is the place where a long text of Go goes on in the next line.
var concatenation = regexp.MustCompile(`" ?\+\s*"`)

// Every line of the log and every error that troubleshooting.md quotes is a text of the source. The ellipsis stands for what the program puts
// in.
func TestTroubleshootingQuotesTheSource(t *testing.T) {
	var source strings.Builder
	for path, text := range files(t, "..", ".go") {
		if !strings.HasSuffix(path, "_test.go") {
			source.WriteString(strings.ReplaceAll(concatenation.ReplaceAllString(text, ""), `\"`, `"`))
		}
	}
	texts := strings.NewReplacer(`"%s"`, `"…"`, "%q", `"…"`).Replace(source.String())
	quoted := quotes(pages(t)["../docs/troubleshooting.md"])
	for _, line := range quoted {
		for part := range strings.SplitSeq(line, "…") {
			part = strings.Trim(part, `" `)
			if !strings.Contains(texts, part) {
				t.Errorf("%q of the line %q is no text of the source", part, line)
			}
		}
	}
	if len(quoted) < 40 {
		t.Errorf("only %d lines are quoted", len(quoted))
	}
}

// quotes returns the lines of the fenced blocks of plain text.
func quotes(page string) (all []string) {
	inside := false
	for _, line := range lines(page) {
		switch {
		case line == "```text":
			inside = true
		case line == "```":
			inside = false
		case inside:
			all = append(all, line)
		}
	}
	return all
}
