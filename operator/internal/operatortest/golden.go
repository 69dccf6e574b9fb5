package operatortest

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ReadGolden reads the recordings of a file in testdata/golden, with numbers as they are written.
func ReadGolden[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/golden/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	for line := range strings.Lines(string(data)) {
		var c T
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cases = append(cases, c)
	}
	return cases
}

// CheckDifferences compares the numbers of cases with those of the page docs/differences-from-quix.md.
func CheckDifferences(t *testing.T, counts map[string]int) {
	t.Helper()
	const path = "../../../docs/differences-from-quix.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		documented[strings.TrimSpace(cells[0])] = strings.TrimSpace(cells[len(cells)-1])
	}
	for name, n := range counts {
		if got := documented[name]; got != strconv.Itoa(n) {
			t.Errorf("%s: %q is shown by %q cases, want %d", path, name, got, n)
		}
		if n == 0 {
			t.Errorf("no case shows %q", name)
		}
	}
}
