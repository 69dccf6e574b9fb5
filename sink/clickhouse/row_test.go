package clickhouse

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
)

type measured struct {
	Name   string   `json:"name"`
	N      int64    `json:"n,omitempty"`
	X      *float64 `json:"x"`
	Yes    bool     `json:"yes"`
	Topic  string   `json:"topic"` // which the metadata replaces
	Nested []int    `json:"nested,omitempty"`
}

// Rows are appended column by column. They are those that package row makes of the value and of the columns of the record.
func TestRowsAreThoseOfPackageRow(t *testing.T) {
	t.Parallel()
	o := Options[string, measured]{Metadata: Metadata{Key: "key", Topic: "topic", Partition: "part", Offset: "off \"set\"", Time: "at"}}
	table := map[string]column{"at": columnOf("Nullable(DateTime64(3))", ""), "n": columnOf("Int64", ""), "name": columnOf("LowCardinality(String)", "")}
	e := newEncoder(&o, table)
	convert := row.FromStruct[measured]()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		v := measured{Name: string([]rune{rune(random.IntN(0x3000)), '"'}), N: random.Int64N(3) * random.Int64(), Yes: random.IntN(2) == 0, Topic: "x"}
		if random.IntN(2) == 0 {
			f := random.NormFloat64()
			v.X = &f
		}
		for range random.IntN(3) {
			v.Nested = append(v.Nested, random.IntN(9))
		}
		r := weir.Record[string, measured]{
			Key: "k", KeyNull: random.IntN(3) == 0, Value: v, Millis: random.Int64N(1<<42) - 1<<40,
			Origin: &weir.Origin{Topic: "t", Partition: random.Int32(), Offset: random.Int64()},
		}
		line, err := e.appendLine(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := convert(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		key := row.String("k")
		if r.KeyNull {
			key = row.Null()
		}
		want = want.With("key", key).With("topic", "t").With("part", r.Origin.Partition).With(`off "set"`, r.Origin.Offset).
			With("at", time.UnixMilli(r.Millis).UTC().Format("2006-01-02T15:04:05.000Z07:00"))
		if got, err := row.Parse(string(bytes.TrimSuffix(line, []byte("\n")))); err != nil || !got.Equal(want) {
			t.Fatalf("got %s (%v), want %s", line, err, want)
		}
	}
}

// A task writes rows of structs without garbage.
func TestARowOfAStructAllocatesNothing(t *testing.T) {
	o := Options[string, measured]{Metadata: Metadata{Key: "key", Topic: "topic", Offset: "offset", Time: "at"}}
	e := newEncoder(&o, map[string]column{"at": columnOf("DateTime64(3)", "")})
	r := weir.Record[string, measured]{Key: "k", Value: measured{Name: "x", N: 7}, Millis: 1767225600000, Origin: &weir.Origin{Topic: "t"}}
	var line []byte
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if line, err = e.appendLine(line[:0], &r); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
