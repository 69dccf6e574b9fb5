package quixconfig

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir/row"
)

// L-41: what paths find, in the order of the text.
func TestPaths(t *testing.T) {
	const content = `{"a":1,"b":{"a":[2,{"a":"x"}],"c":null},"big":123456789012345678901234567890,"list":[{"n":1,"v":"p"},{"n":2,"v":"q"},{"n":3}]}`
	for path, want := range map[string]string{
		"$":                     "[" + content + "]",
		"$.a":                   `[1]`,
		"$['a']":                `[1]`,
		"$.b.a[0]":              `[2]`,
		"$.b.a[-1].a":           `["x"]`,
		"$.b.c":                 `[null]`,
		"$.none":                `[]`,
		"$.a.none":              `[]`,
		"$..a":                  `[1,[2,{"a":"x"}],"x"]`,
		"$.big":                 `[123456789012345678901234567890]`,
		"$.list[*].n":           `[1,2,3]`,
		"$.list[0:2].v":         `["p","q"]`,
		"$.list[?(@.n > 1)].n":  `[2,3]`,
		"$.list[?(@.v=='q')].n": `[2]`,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		v, err := newLoaded([]byte(content)).value()
		if err != nil {
			t.Fatal(err)
		}
		found, err := p.find(v)
		if got := fmt.Sprint(row.List(found...)); err != nil || got != want {
			t.Errorf("%s: got  %s, %v\nwant %s", path, got, err, want)
		}
	}
	for _, bad := range []string{"", "$[", "$.a..", "$..[?(@.a == $.b)]"} {
		if _, err := parsePath(bad); err == nil || !strings.Contains(err.Error(), "path") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
