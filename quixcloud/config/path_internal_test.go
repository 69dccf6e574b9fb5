package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir/row"
)

// L-41: what paths find, in the order of the text.
func TestPaths(t *testing.T) {
	const content = `{"a":1,"b":{"a":[2,{"a":"x"}],"c":null},"big":123456789012345678901234567890,"list":[{"n":1,"v":"p"},{"n":2,"v":"q"},{"n":3}]}`
	for path, want := range map[string]string{
		"$":                                  "[" + content + "]",
		"$.a":                                `[1]`,
		"$['a']":                             `[1]`,
		"$.b.a[0]":                           `[2]`,
		"$.b.a[-1].a":                        `["x"]`,
		"$.b.c":                              `[null]`,
		"$.none":                             `[]`,
		"$.a.none":                           `[]`,
		"$..a":                               `[1,[2,{"a":"x"}],"x"]`,
		"$.big":                              `[123456789012345678901234567890]`,
		"$.list[*].n":                        `[1,2,3]`,
		"$.list[0:2].v":                      `["p","q"]`,
		"$.list[?(@.n > 1)].n":               `[2,3]`,
		"$.list[?(@.v=='q')].n":              `[2]`,
		"$..[?(@.v=='$')].n":                 `[]`,
		"$.list[?(@.v)].n":                   `[1,2]`,
		"$.list[?(@.n == $.a)]":              `[{"n":1,"v":"p"}]`,
		"a":                                  `[1]`,
		"b.a[0]":                             `[2]`,
		" $ [ 'b' ] [ 'a' ][ 0 ] ":           `[2]`,
		"['a']":                              `[1]`,
		`$["b"]["a"][-2]`:                    `[2]`,
		"$.b.a[2]":                           `[]`,
		"$.b.a[-3]":                          `[]`,
		"$[0]":                               `[]`,
		"$.list.n":                           `[]`,
		"$.list[::2].n":                      `[1,3]`,
		"$.list[::-1].n":                     `[3,2,1]`,
		"$.list[-1:0:-1].n":                  `[3,2]`,
		"$.list[-9:9].n":                     `[1,2,3]`,
		"$.list[1:].n":                       `[2,3]`,
		"$.list[:-1].n":                      `[1,2]`,
		"$.list[0::9007199254740992].n":      `[1]`,
		"$.list[::0].n":                      `[]`,
		"$.list[2,0,0].n":                    `[3,1,1]`,
		"$['a',\"big\",'none']":              `[1,123456789012345678901234567890]`,
		"$.list[0:1,?@.n==3].n":              `[1,3]`,
		"$..[0]":                             `[2,{"n":1,"v":"p"}]`,
		"$..['n']":                           `[1,2,3]`,
		"$.b.*":                              `[[2,{"a":"x"}],null]`,
		"$..[?(@.a == $.a)].b.c":             `[]`,
		"$.list[?@.n >= 2 && @.v].n":         `[2]`,
		"$.list[?@.n<2||!@.v].n":             `[1,3]`,
		"$.list[?!(@.n == 1 || @.n == 2)].n": `[3]`,
		"$.list[?@.n != 2].n":                `[1,3]`,
		"$.list[?@.n <= 2.0].n":              `[1,2]`,
		"$.list[?@.n == 1.5e0].n":            `[]`,
		"$.list[?@.v < 'q'].n":               `[1]`,
		"$.list[?@.v > 1].n":                 `[]`,
		"$.list[?2 > @.n].n":                 `[1]`,
		"$.list[?@.v == @.w].n":              `[3]`,
		"$.list[?@.v == null].n":             `[]`,
		"$[?@ == 123456789012345678901234567890]":     `[123456789012345678901234567890]`,
		"$[?@ > 9223372036854775807]":                 `[123456789012345678901234567890]`,
		"$[?@.c == null].a[0]":                        `[2]`,
		"$.list[?@ == $.list[0]].n":                   `[1]`,
		"$[?(@.a[?(@.a == 'x')])].c":                  `[null]`,
		"$[?(@[?(@.n == 2)] && @[?@.v == 'p'])][0].v": `["p"]`,
		"$[?(@[?(@.n > 2)])][2].n":                    `[3]`,
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
		found, err := p.find(v, len(content))
		if got := fmt.Sprint(row.List(found...)); err != nil || got != want {
			t.Errorf("%s: got  %s, %v\nwant %s", path, got, err, want)
		}
	}
	for _, bad := range []string{
		"", " ", "$[", "$.a..", "$.", "$..", "$a", "$.a b", "$[]", "$[1", "$[1,]", "$['a]", "$['\\x']", "$[a]", "$[1:2:3:4]", "$[9223372036854775808]", "$[-]",
		"$[?]", "$[?()]", "$[?@.a =]", "$[?@.a = 1]", "$[?@.a == ]", "$[?@.a == x]", "$[?1]", "$[?(@.a]", "$[?!@.a == 1]", "$[?@.a == 1.]", "$[?@.a && ]",
		"$[?(@[*].a == 1)]", "$[?@..a == 1]", "$[?1 == $[0:1]]", "$[?@[?@.a] == 1]", "$.length()",
		"$" + strings.Repeat("[?@", 200) + strings.Repeat("]", 200), "$[?" + strings.Repeat("(", 200) + "@" + strings.Repeat(")", 200) + "]",
	} {
		if _, err := parsePath(bad); err == nil || !strings.Contains(err.Error(), "path") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Paths that lead to the same places over and over, and content that is large, cost a bounded time. Content of any size may be
// searched for the share of the budget that depends on its size.
func TestPathsThatLeadToTooManyPlaces(t *testing.T) {
	t.Parallel()
	const small = 20_000 // a budget; one pass over deep takes less than 1,000
	deep := strings.Repeat("[", 200) + "1" + strings.Repeat("]", 200)
	for path, content := range map[string]string{
		"$[?(@[?@..*..*..*..*..*..*..*])]":    deep,
		"$..*..*..*..*..*..*..*":              deep,
		"$" + strings.Repeat("[0,0]", 60):     deep,
		"$[?(@..*..*..*..*..*..*)]":           deep,
		"$" + strings.Repeat("[::1,::1]", 60): deep,
		"$[?@..*..*..*..*..*..*..*]":          deep,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		l := newLoaded([]byte(content))
		v, err := l.value()
		if err != nil {
			t.Fatal(err)
		}
		if found, err := p.findWithin(v, small); !errors.Is(err, errTooMuchWork) || !errors.Is(err, ErrContent) {
			t.Errorf("%s: found %d, %v", path, len(found), err)
		}
	}
	const n = 2_000
	columns, list := strings.Builder{}, strings.Builder{}
	for i := range n {
		fmt.Fprintf(&columns, `,"%d":{"a":%d}`, i, i)
		fmt.Fprintf(&list, `,{"a":%d}`, i)
	}
	for path, want := range map[string]int{"$[*].a": n, "$..a": n, "$..[?(@.a >= 10)].a": n - 10, "$..*": 2 * n, "$[?(@.a == 5 && @[?@ == 5] && @..[?@ == 5])]": 1, "$[?@.a == $.none]": 0, "$[?@ == @]": n} {
		for _, content := range []string{"{" + columns.String()[1:] + "}", "[" + list.String()[1:] + "]"} {
			p, err := parsePath(path)
			if err != nil {
				t.Fatal(err)
			}
			v, err := newLoaded([]byte(content)).value()
			if err != nil {
				t.Fatal(err)
			}
			if found, err := p.findWithin(v, workPerByte*len(content)); err != nil || len(found) != want {
				t.Errorf("%s: found %d, %v, want %d", path, len(found), err, want)
			}
		}
	}

	// A path in a filter that begins at the root is followed once, not for each element.
	p, err := parsePath("$.list[?@.a == $.1999.a].a")
	if err != nil {
		t.Fatal(err)
	}
	content := "{" + columns.String()[1:] + `,"list":[` + list.String()[1:] + "]}"
	v, err := newLoaded([]byte(content)).value()
	if err != nil {
		t.Fatal(err)
	}
	if found, err := p.findWithin(v, workPerByte*len(content)); err != nil || fmt.Sprint(row.List(found...)) != "[1999]" {
		t.Errorf("found %v, %v", found, err)
	}
}

func FuzzPath(f *testing.F) {
	f.Add("$.a[0]..b", `{"a":[{"b":1}]}`)
	f.Add("$..*", `[[1],{"a":null}]`)
	f.Add("$[?(@.a > 1)].b", `[{"a":2,"b":3}]`)
	f.Fuzz(func(t *testing.T, path, content string) {
		p, err := parsePath(path)
		if err != nil {
			return
		}
		v, err := newLoaded([]byte(content)).value()
		if err != nil {
			return
		}
		_, _ = p.find(v, len(content)) // must not panic, and has to end
	})
}
