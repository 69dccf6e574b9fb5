package valuetest_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	sensors  = stream.NewTopic("sensors", codec.String(), row.JSON())
	sensors2 = stream.NewTopic("sensors-2", codec.String(), row.JSON())
)

type sensorRecord = testkit.Record[string, row.Row]

func object(text string) row.Row {
	r, err := row.Parse(text)
	if err != nil {
		panic(err)
	}
	return r
}

// D-23: the value over several lines or on one, with metadata or without, in this order.
func TestD23Print(t *testing.T) {
	records := []sensorRecord{
		{Key: "k", Value: object(`{"z":1.0,"a":[1,{"b":null}]}`), Time: at(100), Headers: []weir.Header{{Key: "h", Value: []byte("1")}, {Key: "i"}}},
		{KeyNull: true, ValueNull: true, Time: at(101)},
	}
	for name, c := range map[string]struct {
		options stream.PrintOptions
		want    string
	}{
		"one line": {stream.PrintOptions{OneLine: true}, `{"value":{"z":1.0,"a":[1,{"b":null}]}}
{"value":null}
`},
		"one line with metadata": {stream.PrintOptions{OneLine: true, Metadata: true}, `{"value":{"z":1.0,"a":[1,{"b":null}]},"key":"k","timestamp":100,"headers":[["h","1"],["i",null]]}
{"value":null,"key":null,"timestamp":101,"headers":[]}
`},
		"pretty": {stream.PrintOptions{}, `{
  "value": {
    "z": 1.0,
    "a": [
      1,
      {
        "b": null
      }
    ]
  }
}
{
  "value": null
}
`},
	} {
		t.Run(name, func(t *testing.T) {
			var printed bytes.Buffer
			c.options.To = &printed
			topology := stream.NewTopology()
			topology.From(sensors).Print(c.options).To(sensors2)
			d := testkit.New(t, topology, testkit.Config{})
			d.Input(sensors).SendRecords(records...)
			if diff := cmp.Diff(c.want, printed.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			d.Output(sensors2).Expect(records...) // passed on unchanged
		})
	}
}

// printed runs one value through Print and returns the line.
func printed[V any](t *testing.T, topic stream.Topic[string, V], v V) string {
	t.Helper()
	var out bytes.Buffer
	topology := stream.NewTopology()
	topology.From(topic).Print(stream.PrintOptions{OneLine: true, To: &out})
	testkit.New(t, topology, testkit.Config{}).Input(topic).Send("k", v, at(0))
	return strings.TrimSuffix(out.String(), "\n")
}

func TestEveryValueCanBePrinted(t *testing.T) {
	type point struct{ X, Y int }
	for got, want := range map[string]string{
		printed(t, in, "text"): `{"value":"text"}`,
		printed(t, stream.NewTopic("bytes", codec.String(), codec.Bytes()), []byte("text")):                  `{"value":"text"}`,
		printed(t, stream.NewTopic("bytes", codec.String(), codec.Bytes()), []byte{0xff, 0}):                 `{"value":"0xff00"}`,
		printed(t, stream.NewTopic("points", codec.String(), codec.JSON[point]()), point{1, 2}):              `{"value":{"X":1,"Y":2}}`,
		printed(t, stream.NewTopic("pointers", codec.String(), codec.JSON[*point]()), &point{1, 2}):          `{"value":{"X":1,"Y":2}}`,
		printed(t, stream.NewTopic("floats", codec.String(), codec.Float64()), math.NaN()):                   `{"value":"NaN"}`,
		printed(t, stream.NewTopic("ints", codec.String(), codec.Int64()), math.MaxInt64):                    `{"value":9223372036854775807}`,
		printed(t, stream.NewTopic("lists", codec.String(), codec.JSON[[]float64]()), []float64{1, 2.5}):     `{"value":[1,2.5]}`,
		printed(t, stream.NewTopic("maps", codec.String(), codec.JSON[map[string]any]()), map[string]any{}):  `{"value":{}}`,
		printed(t, stream.NewTopic("bools", codec.String(), codec.Bool()), true):                             `{"value":true}`,
		printed(t, stream.NewTopic("empty", codec.String(), codec.For[struct{}]()), struct{}{}):              `{"value":{}}`,
		printed(t, stream.NewTopic("names", codec.String(), codec.JSON[map[string]int]()), map[string]int{}): `{"value":{}}`,
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// whole fails if two goroutines are in Write at a time.
type whole struct {
	mu    sync.Mutex
	lines []string
}

func (w *whole) Write(b []byte) (int, error) {
	if !w.mu.TryLock() {
		panic("two at a time")
	}
	defer w.mu.Unlock()
	w.lines = append(w.lines, string(b))
	return len(b), nil
}

func TestLinesOfDifferentTasksAreKeptApart(t *testing.T) {
	var out whole
	var tasks sync.WaitGroup
	for range 2 {
		topology := stream.NewTopology()
		topology.From(in).Print(stream.PrintOptions{OneLine: true, To: &out})
		d := testkit.New(t, topology, testkit.Config{})
		tasks.Go(func() {
			for i := range 200 {
				d.Input(in).Send("k", fmt.Sprint(i), at(0))
			}
		})
	}
	tasks.Wait()
	if len(out.lines) != 400 {
		t.Errorf("%d lines", len(out.lines))
	}
}

// D-24 with output that is no terminal: a table is written when it is full, or has waited for long enough.
func TestD24PrintTable(t *testing.T) {
	var out bytes.Buffer
	topology := stream.NewTopology()
	topology.From(sensors).PrintTable(stream.TableOptions{Size: 2, Title: "Sensors", Timeout: time.Second, To: &out}).To(sensors2)
	d := testkit.New(t, topology, testkit.Config{})
	input := d.Input(sensors)
	expect := func(want string) {
		t.Helper()
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		out.Reset()
	}

	input.Send("a", object(`{"x":1}`), at(0))
	expect("")
	input.Send("b", object(`{"y":null,"_key":"own"}`), at(1))
	expect(`┌──────────────────────────────────────────────────┐
│ Sensors                                          │
├──────┬─────────────────────────┬───┬──────┬──────┤
│ _key │ _timestamp              │ x │ y    │ _key │
├──────┼─────────────────────────┼───┼──────┼──────┤
│ a    │ 1970-01-01 00:00:00.000 │ 1 │      │      │
│ b    │ 1970-01-01 00:00:00.001 │   │ null │ own  │
└──────┴─────────────────────────┴───┴──────┴──────┘
`)
	d.Advance(2 * time.Second)
	expect("") // nothing is written while it has no rows

	input.SendRecords(sensorRecord{KeyNull: true, ValueNull: true, Time: at(2)})
	expect("")
	d.Advance(2 * time.Second)
	if got := out.String(); !strings.Contains(got, "│ null │ 1970-01-01 00:00:00.002 │   │   │      │ null │") {
		t.Errorf("a null value is not a column of its own:\n%s", got)
	}
	out.Reset()
	input.Send("c", object(`{"x":2}`), at(3))
	d.Restart() // the end of a run shows what is left
	if got := out.String(); !strings.Contains(got, "│ c ") {
		t.Errorf("the last rows are lost:\n%s", got)
	}
	if n := len(d.Output(sensors2).Read()); n != 4 {
		t.Errorf("%d records were passed on", n)
	}
}

func TestD24ColumnsAndWidths(t *testing.T) {
	var out bytes.Buffer
	topology := stream.NewTopology()
	topology.From(sensors).PrintTable(stream.TableOptions{
		Size: 1, NoMetadata: true, Columns: []string{"b", "a", "none"}, Widths: map[string]int{"a": 5}, To: &out,
	})
	testkit.New(t, topology, testkit.Config{}).Input(sensors).Send("k", object(`{"a":"long text","b":1,"c":2}`), at(0))
	want := `┌───┬───────┬──────┐
│ b │ a     │ none │
├───┼───────┼──────┤
│ 1 │ long  │      │
│   │ text  │      │
└───┴───────┴──────┘
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTablesThatCannotBeShownAreReported(t *testing.T) {
	for want, options := range map[string]stream.TableOptions{
		"no columns":           {NoMetadata: true, Columns: []string{}},
		"must not be negative": {Size: -1},
	} {
		topology := stream.NewTopology()
		topology.From(sensors).PrintTable(options)
		if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
