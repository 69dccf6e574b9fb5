package docs

import (
	"regexp"
	"strings"
	"testing"
)

// The page of formats has each header and key that the library marks its records with, and none that is not there.
func TestThePageOfFormatsHasEachHeader(t *testing.T) {
	page := pages(t)["../docs/formats.md"]
	var code strings.Builder
	for file, text := range files(t, "..", ".go") {
		if !strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(file, "../examples/") {
			code.WriteString(text)
		}
	}
	source := code.String()
	const name = `__[a-zA-Z_]+__|__[a-z]+_schema_id|__Q_[A-Za-z]+|weir-origin-[a-z]+|(?:repartition|changelog|slots|inventory|deadletters)__`
	marked := regexp.MustCompile(`"(?:\\x00\\xff)?(`+name+`)`).FindAllStringSubmatch(source, -1)
	if len(marked) < 10 {
		t.Fatalf("only %d names are in the code", len(marked))
	}
	for _, m := range marked {
		if !strings.Contains(page, m[1]) && m[1] != "__HIVE_DEFAULT_PARTITION__" {
			t.Errorf("formats.md does not have %s", m[1])
		}
	}
	for _, shown := range regexp.MustCompile("`("+name+")[^`]*`").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(source, shown[1]) {
			t.Errorf("formats.md has %s, which is not in the code", shown[1])
		}
	}
}
