// Package docs checks the pages of this folder.
package docs

import (
	"slices"
	"strings"
	"testing"
)

// Every Go snippet of a page is code that the compiler has seen: its lines stand, one after the other, in a test file or an
// example program. Indentation does not count. To write a snippet, write an Example, in docs/PAGE_test.go or beside what it
// shows, and copy the lines to the page.
func TestSnippetsAreCompiled(t *testing.T) {
	var sources [][]string
	for _, compiled := range []map[string]string{files(t, "..", "_test.go"), files(t, "../examples", ".go")} {
		for _, text := range compiled {
			sources = append(sources, lines(text))
		}
	}
	for page, text := range pages(t) {
		for _, s := range snippets(text) {
			compiled := slices.ContainsFunc(sources, func(source []string) bool { return contains(source, s) })
			if !compiled {
				t.Errorf("%s: this snippet stands in no test file and no example:\n%s", page, strings.Join(s, "\n"))
			}
		}
	}
}

// A snippet that is nowhere is found out, and one that is elsewhere by one line.
func TestSnippetsAreComparedLineByLine(t *testing.T) {
	source := lines("func f() {\n\ta := 1\n\tb := 2\n}\n")
	for text, want := range map[string]bool{
		"a := 1\nb := 2": true, "b := 2\na := 1": false, "a := 1": true, "a := 1\n\nb := 2": false, "a := 3": false, "a :=": false,
	} {
		if got := contains(source, lines(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if got := snippets("text\n```go\na\n```\n```\nno\n```\n```go\nb\n\nc\n```\n"); len(got) != 2 || len(got[1]) != 3 {
		t.Errorf("snippets %q", got)
	}
}

// snippets returns the lines of each fenced block of Go.
func snippets(page string) (all [][]string) {
	inside := false
	for _, line := range lines(page) {
		switch {
		case line == "```go":
			inside = true
			all = append(all, nil)
		case line == "```":
			inside = false
		case inside:
			all[len(all)-1] = append(all[len(all)-1], line)
		}
	}
	return all
}

// lines returns the lines of a text without their indentation.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

func contains(source, snippet []string) bool {
	for i := range source {
		if i+len(snippet) <= len(source) && slices.Equal(source[i:i+len(snippet)], snippet) {
			return true
		}
	}
	return false
}
