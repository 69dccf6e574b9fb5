package influx

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

// FuzzLines encodes a point with texts in every place, behind one and before another, and reads the three lines back: the point is refused, or it is read
// as it was, and its neighbours are.
func FuzzLines(f *testing.F) {
	for _, text := range []string{
		"plain", "a b", "a,b", "a=b", `a\b`, `a\`, `a\\b`, `a\ b`, `a\,b`, `\=`, `\\=b`, `"`, `a"b`, `\"`, "a\nb", "m v=1i 1\n", "\t", "\r", "\x00", "\xff", "#a", "é漢🚰", "", "time",
		",x=y", " v=1", `" 1` + "\nstolen v=1i 1\n", "\u2028", `\\\`, `\\\\ "`,
	} {
		f.Add(text, text, text, text, text, int64(-7), 1.5)
		f.Add("m", text, "v", "f", `quoted "`, int64(math.MinInt64), math.MaxFloat64)
		f.Add("m", "t", text, "f", `quoted "`, int64(0), 5e-324)
		f.Add("m", "t", "v", text, `quoted "`, int64(math.MaxInt64), -0.1)
		f.Add(text, "t", `"`, `"`, text, int64(1), 1e21)
		f.Add(`"`, `"`, text, `"`, text, int64(1), -1e-7)
	}
	f.Fuzz(func(t *testing.T, measurement, tag, tagValue, field, fieldValue string, n int64, x float64) {
		for dialect, doubled := range map[Dialect]bool{Doubled: true, Literal: false} {
			want := &influxtest.Point{Measurement: measurement, Tags: map[string]string{}, Fields: map[string]any{field: fieldValue, field + "n": n, field + "x": x, field + "b": n > 0}, Time: n}
			if tagValue != "" {
				want.Tags[tag] = tagValue
			}
			neighbour := "first v=1i 1\n"
			l := line{dialect: dialect, bytes: []byte(neighbour)}
			steps := []func() error{
				func() error { return l.begin(measurement) },
				func() error { return l.tag(tag, row.String(tagValue)) },
				func() error { return l.field(field, row.String(fieldValue)) },
				func() error { return l.field(field+"n", row.Int(n)) },
				func() error { return l.field(field+"x", row.Float(x)) },
				func() error { return l.field(field+"b", row.Bool(n > 0)) },
				func() error { return l.end(n) },
			}
			if refused(steps) {
				continue
			}
			lines := influxtest.Lines(string(l.bytes) + "last v=1i 1\n")
			if len(lines) != 3 || lines[0] != "first v=1i 1" || lines[2] != "last v=1i 1" {
				t.Fatalf("%d lines: %q", len(lines), lines)
			}
			got, err := influxtest.Parse(lines[1], doubled)
			if err != nil {
				t.Fatalf("%q: %v", lines[1], err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", lines[1], diff)
			}
		}
	})
}

func refused(steps []func() error) bool {
	for _, step := range steps {
		if step() != nil {
			return true
		}
	}
	return false
}

// Texts that only need an escape are taken: the fuzz test alone would also pass if all of them were refused.
func TestNamesWithSpecialCharactersAreTaken(t *testing.T) {
	for _, dialect := range []Dialect{Doubled, Literal} {
		for _, text := range []string{"a b", "a,b", "a=b", `C:\temp`, `\\server`, `"`, "é漢🚰", "'", "Time"} {
			l := line{dialect: dialect}
			if refused([]func() error{func() error { return l.begin(text) }, func() error { return l.textTag(text, text) }, func() error { return l.field(text, row.Int(1)) }}) {
				t.Errorf("%q is refused", text)
			}
		}
	}
}

func TestARecordIsALine(t *testing.T) {
	t.Parallel()
	type options = Options[string, row.Row]
	value := row.New(
		row.F("n", 5), row.F("x", 1.0), row.F("big", 1e22), row.F("ok", true), row.F("text", `a "b" \`), row.F("tag", "blue bird"), row.F("one", 1), row.F("null", row.Null()),
		row.F("at", "2026-01-02T03:04:05.123456789+01:00"), row.F("seconds", -3),
	)
	for name, c := range map[string]struct {
		options
		want string
	}{
		"columns":    {options{Tags: []string{"tag"}, Fields: []string{"n", "x", "big", "ok", "text", "null"}}, `m,tag=blue\ bird n=5i,x=1,big=1e+22,ok=true,text="a \"b\" \\" -1`},
		"all others": {options{Tags: []string{"tag", "one", "null", "none"}, TimeColumn: "seconds", Precision: 1}, `m,one=1,tag=blue\ bird n=5i,x=1,big=1e+22,ok=true,text="a \"b\" \\",at="2026-01-02T03:04:05.123456789+01:00" -3`},
		"floats":     {options{Fields: []string{"n", "ok"}, IntsAsFloats: true}, `m n=5,ok=true -1`},
		"metadata":   {options{Tags: []string{"one"}, Fields: []string{"n"}, Metadata: Metadata{"key", "topic", "part"}}, `m,key=k\ 1,one=1,part=3,topic=in n=5i -1`},
		"a text":     {options{Fields: []string{"n"}, TimeColumn: "at", Precision: 3}, `m n=5i 1767319445123456789`},
		"in µs":      {options{Fields: []string{"n"}, TimeColumn: "at", Precision: 2}, `m n=5i 1767319445123456`},
		"in s":       {options{Fields: []string{"n"}, Precision: 1}, `m n=5i -1`}, // rounded down
		"missing":    {options{Fields: []string{"none", "n"}, AllowMissing: true}, `m n=5i -1`},
	} {
		o := c.options
		o.Measurement = "m"
		if err := o.check(&API{Reserved: "time"}); err != nil && err.Error() != "Database is empty" {
			t.Errorf("%s: %v", name, err)
		}
		got, err := newEncoder(&o, &API{Dialect: Doubled, Reserved: "time"}).appendLine(nil, &weir.Record[string, row.Row]{Key: "k 1", Value: value, Millis: -1, Origin: &weir.Origin{Topic: "in", Partition: 3}})
		if err != nil || strings.TrimSuffix(string(got), "\n") != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
	}
	if _, ok := value.Lookup("tag"); !ok {
		t.Error("the value has lost its tag")
	}
}
