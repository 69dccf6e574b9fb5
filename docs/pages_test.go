package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Every page of this folder is in its index.
func TestTheIndexHasEveryPage(t *testing.T) {
	all := pages(t)
	linked := map[string]bool{}
	for _, link := range links(all["../docs/README.md"]) {
		file, _, _ := strings.Cut(link, "#")
		linked[path.Join("../docs", file)] = true
	}
	for page := range all {
		if strings.HasPrefix(page, "../docs/") && page != "../docs/README.md" && !linked[page] {
			t.Errorf("README.md has no link to %s", strings.TrimPrefix(page, "../docs/"))
		}
	}
}

// The page of examples has each of them, with the picture of its topology. README.md shows the first program itself.
func TestThePageOfExamplesHasEachWithItsPicture(t *testing.T) {
	page := pages(t)["../docs/examples.md"]
	programs, err := filepath.Glob("../examples/*/main.go")
	if err != nil || len(programs) < 12 {
		t.Fatalf("%d programs, %v", len(programs), err)
	}
	for _, program := range programs {
		name := filepath.Base(filepath.Dir(program))
		if name == "first" {
			continue
		}
		if !strings.Contains(page, "(../examples/"+name+"/main.go)") && !strings.Contains(page, "(../examples/"+name+")") {
			t.Errorf("examples.md has no link to %s", name)
		}
		if !strings.Contains(page, "(images/examples/"+name+".svg)") {
			t.Errorf("examples.md has no picture of %s", name)
		}
	}
}

// Relative links of all pages of the repository lead to files that exist, and to headings that stand in them.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	all, checked := pages(t), 0
	for page, text := range all {
		for _, link := range links(text) {
			if strings.Contains(link, ":") { // https://, mailto:
				continue
			}
			checked++
			file, anchor, hasAnchor := strings.Cut(link, "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
				if _, err := os.Stat(filepath.FromSlash(target)); err != nil {
					t.Errorf("%s: the link %s leads to no file", page, link)
					continue
				}
			}
			if hasAnchor && !slices.Contains(anchors(all[target]), anchor) {
				t.Errorf("%s: the link %s leads to no heading", page, link)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were found", checked)
	}
}

func TestLinksAndAnchorsAreThoseOfGitHub(t *testing.T) {
	text := "# One\n## `Config`: a [page](x.md)!\n# One\n```\n# no\n[no](no.md)\n```\nsee [a](b.md#c) and `[no](no.md)`, [d](#one)\n"
	if got, want := links(text), []string{"x.md", "b.md#c", "#one"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
	if got, want := anchors(text), []string{"one", "config-a-page", "one-1"}; !slices.Equal(got, want) {
		t.Errorf("anchors %q, want %q", got, want)
	}
}

var (
	linkPattern = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	inlineCode  = regexp.MustCompile("`[^`\n]*`")
)

// links returns the targets of the links of a page.
func links(page string) (all []string) {
	for _, line := range prose(page) {
		for _, m := range linkPattern.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// anchors returns the names that GitHub gives to the headings of a page: letters and digits in lower case, hyphens for spaces, and a
// number behind a name that comes again.
func anchors(page string) (all []string) {
	seen := map[string]int{}
	for _, line := range prose(page) {
		text := strings.TrimLeft(line, "#")
		if text == line || !strings.HasPrefix(text, " ") {
			continue
		}
		text = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(strings.TrimSpace(text), "$1")
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, text)
		n := seen[name]
		seen[name]++
		if n > 0 {
			name += "-" + string(rune('0'+n))
		}
		all = append(all, name)
	}
	return all
}

// prose returns the lines of a page that are not in fenced blocks.
func prose(page string) (all []string) {
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
		} else if !inside {
			all = append(all, line)
		}
	}
	return all
}

// pages returns the Markdown files of the repository, by their paths from this folder, each beginning with "../".
func pages(t *testing.T) map[string]string {
	t.Helper()
	return files(t, "..", ".md")
}

// files returns the files below a folder with the given end of their names, by their paths.
func files(t *testing.T, folder, suffix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "build", "testdata", "node_modules"}, d.Name()):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(file, suffix):
			data, err := os.ReadFile(file)
			found[filepath.ToSlash(file)] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no %s below %s", suffix, folder)
	}
	return found
}
