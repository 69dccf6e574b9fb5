package operatortest_test

import (
	"context"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// textMap is a store beside the cell.
type textMap = store.Map[string, string]

var (
	mapHandle   = store.NewMap[string, string]("map")
	groupHandle = store.Group(func(o *store.Opener) textStores { return textStores{o.Open(cellHandle), o.Open(mapHandle)} })
)

type textStores struct {
	cell *textCell
	m    *textMap
}

// prober is a processor that does what MapState does.
type prober struct {
	weir.ProcessorBase[string, string, string]
	probe *probe
}

func (p *prober) Process(ctx context.Context, r textRecord) error {
	if err := p.probe.tryRecord(ctx, r); err != nil {
		return err
	}
	r.Value, r.ValueNull = "new", false
	return p.Forward(r)
}

func pointer(v string) *string { return &v }
func pointed(v *string) string { return *v }

// Operators without a function hand on records as they are: null keys and values, times and headers.
func TestOperatorsWithoutAFunctionPassRecordsOn(t *testing.T) {
	var collected stream.Collector[string, string]
	for name, declare := range map[string]func(textStream) textStream{
		"Print": func(s textStream) textStream { return s.Print(stream.PrintOptions{To: io.Discard, Metadata: true}) },
		"PrintTable": func(s textStream) textStream {
			return s.PrintTable(stream.TableOptions{To: io.Discard, Plain: true})
		},
		"Collect":    func(s textStream) textStream { return s.Collect(&collected) },
		"GroupByKey": func(s textStream) textStream { return s.GroupByKey("g") },
		"GroupByKeyWith": func(s textStream) textStream {
			return s.GroupByKeyWith(stream.Repartition[string, string]{Name: "g", Partitions: 1})
		},
		"WithKeyCodec":      func(s textStream) textStream { return s.WithKeyCodec(codec.JSON[string]()) },
		"Merge":             func(s textStream) textStream { return s.Merge() },
		"AssumePartitioned": func(s textStream) textStream { return s.AssumePartitioned() },
		"Otherwise":         func(s textStream) textStream { return s.Branch().Otherwise("rest") },
		"Table.Stream":      nil, // see below: records with a null key are no rows
	} {
		t.Run(name, func(t *testing.T) {
			records := []record{
				{Key: "k", Value: "v", Time: at(1234), Headers: []weir.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}, {Key: "a"}}},
				{Key: "k", Time: at(1235), ValueNull: true},
				{Value: "null key", Time: at(1236), KeyNull: true},
				{Key: "", Value: "", Time: at(1200)},
			}
			topology := stream.NewTopology()
			if s := topology.From(in); declare != nil {
				declare(s).To(out)
			} else {
				stream.TableOf(s, "rows").Stream().To(out)
			}
			d := testkit.New(t, topology, testkit.Config{})
			d.Input(in).SendRecords(records...)
			if declare == nil {
				records = slices.Delete(records, 2, 3)
			}
			d.Output(out).Expect(records...)
		})
	}
	if n := collected.Len(); n != 4 {
		t.Errorf("%d records were collected", n)
	}
}

// ids makes up ids of which no two are the same.
func ids() func() int {
	n := 0
	return func() int { n++; return n }
}

func init() {
	type declare = func(textStream, *probe) textStream
	add := func(name, node string, e effect, try, record bool, f declare) {
		operators = append(operators, struct {
			name    string
			node    string
			effect  effect
			try     bool
			record  bool
			declare func(textStream, *probe) textStream
		}{name, node, e, try, record, f})
	}
	add("FlatMapSeq", "flatmap-1", mapsTwice, false, false, func(s textStream, p *probe) textStream {
		return s.FlatMapSeq(func(v string) iter.Seq[string] { p.seeValue(v); return slices.Values(expand(v)) })
	})
	add("MapKey", "mapkey-1", mapsKey, false, false, func(s textStream, p *probe) textStream {
		return s.MapKey(func(v string) string { p.seeValue(v); return "new" })
	})
	add("MapKeyRecord", "mapkey-1", mapsKey, true, true, func(s textStream, p *probe) textStream {
		return s.MapKeyRecord(func(ctx context.Context, r textRecord) (string, error) { return "new", p.tryRecord(ctx, r) })
	})
	add("Transform", "transform-1", mapsKey, true, true, func(s textStream, p *probe) textStream {
		return s.Transform(func(ctx context.Context, r textRecord) (textRecord, error) {
			err := p.tryRecord(ctx, r)
			r.Key, r.KeyNull = "new", false
			return r, err
		})
	})
	add("SetTimestamp", "settimestamp-1", setsTime, false, false, func(s textStream, p *probe) textStream {
		return s.SetTimestamp(func(v string) time.Time { p.seeValue(v); return at(77) })
	})
	add("SetTimestampRecord", "settimestamp-1", setsTime, true, true, func(s textStream, p *probe) textStream {
		return s.SetTimestampRecord(func(ctx context.Context, r textRecord) (time.Time, error) { return at(77), p.tryRecord(ctx, r) })
	})
	header := weir.Header{Key: "x", Value: []byte("y")}
	add("SetHeaders", "setheaders-1", addsHeader, true, true, func(s textStream, p *probe) textStream {
		return s.SetHeaders(func(ctx context.Context, r textRecord) ([]weir.Header, error) {
			return append(r.Headers, header), p.tryRecord(ctx, r)
		})
	})
	add("AddHeader", "addheader-1", addsHeader, false, false, func(s textStream, p *probe) textStream {
		return s.AddHeader("x", func(v string) []byte { p.seeValue(v); return []byte("y") })
	})
	add("Branch When", "when case", keeps, false, false, func(s textStream, p *probe) textStream {
		return s.Branch().When("case", func(v string) bool { p.seeValue(v); return v != "drop" })
	})
	add("Branch WhenRecord", "when case", keeps, false, true, func(s textStream, p *probe) textStream {
		return s.Branch().WhenRecord("case", func(_ context.Context, r textRecord) (bool, error) { p.see(r); return r.Value != "drop", nil })
	})
	add("FanOut WhenRecord", "when case", keeps, true, true, func(s textStream, p *probe) textStream {
		return s.FanOut().WhenRecord("case", func(ctx context.Context, r textRecord) (bool, error) { return r.Value != "drop", p.tryRecord(ctx, r) })
	})
	add("Match", "match case", mapsValue, false, false, func(s textStream, p *probe) textStream {
		return s.Branch().Match("case", func(v string) (string, bool) { p.seeValue(v); return "new", true })
	})
	add("MatchRecord", "match case", mapsValue, true, true, func(s textStream, p *probe) textStream {
		return s.Branch().MatchRecord("case", func(ctx context.Context, r textRecord) (string, bool, error) {
			return "new", true, p.tryRecord(ctx, r)
		})
	})
	add("GroupByRecord", "groupby g", mapsKey, true, true, func(s textStream, p *probe) textStream {
		return s.GroupByRecord("g", func(ctx context.Context, r textRecord) (string, error) { return "new", p.tryRecord(ctx, r) })
	})
	add("MapState of a group", "mapstate cell+map", mapsState, false, false, func(s textStream, p *probe) textStream {
		return s.MapState(groupHandle, func(_ textStores, v string) string { p.seeValue(v); return "new" })
	})
	add("FilterState", "filterstate cell", keepsState, false, false, func(s textStream, p *probe) textStream {
		return s.FilterState(cellHandle, func(_ *textCell, v string) bool { p.seeValue(v); return v != "drop" })
	})
	add("FilterStateRecord", "filterstate cell", keepsState, true, true, func(s textStream, p *probe) textStream {
		return s.FilterStateRecord(cellHandle, func(ctx context.Context, _ *textCell, r textRecord) (bool, error) {
			return r.Value != "drop", p.tryRecord(ctx, r)
		})
	})
	add("FlatMapState", "flatmapstate cell", mapsStateTwice, false, false, func(s textStream, p *probe) textStream {
		return s.FlatMapState(cellHandle, func(_ *textCell, v string) []string { p.seeValue(v); return expand(v) })
	})
	add("FlatMapStateRecord", "flatmapstate cell", mapsStateTwice, true, true, func(s textStream, p *probe) textStream {
		return s.FlatMapStateRecord(cellHandle, func(ctx context.Context, _ *textCell, r textRecord) ([]string, error) {
			return expand(r.Value), p.tryRecord(ctx, r)
		})
	})
	add("ProcessState", "processstate cell+map", mapsState, true, true, func(s textStream, p *probe) textStream {
		return s.ProcessState(groupHandle, func(ctx context.Context, _ textStores, r textRecord, emit func(textRecord)) error {
			if err := p.tryRecord(ctx, r); err != nil {
				return err
			}
			r.Value, r.ValueNull = "new", false
			emit(r)
			return nil
		})
	})
	add("Deduplicate", "deduplicate ids", passesNulls, false, false, func(s textStream, p *probe) textStream {
		id := ids()
		return s.Deduplicate("ids", time.Minute, func(v string) int { p.seeValue(v); return id() })
	})
	add("DeduplicateRecord", "deduplicate ids", passesState, true, true, func(s textStream, p *probe) textStream {
		id := ids()
		return s.DeduplicateRecord("ids", time.Minute, func(ctx context.Context, r textRecord) (int, error) { return id(), p.tryRecord(ctx, r) })
	})
	add("Reduce", "reduce cell", reduces, false, false, func(s textStream, p *probe) textStream {
		return s.Reduce(cellHandle, func(_, v string) string { p.seeValue(v); return v })
	})
	add("ReduceRecord", "reduce cell", reduces, true, true, func(s textStream, p *probe) textStream {
		return s.ReduceRecord(cellHandle, func(ctx context.Context, _ string, r textRecord) (string, error) { return r.Value, p.tryRecord(ctx, r) })
	})
	add("Aggregate", "aggregate all", mapsState, false, false, func(s textStream, p *probe) textStream {
		return s.Aggregate("all", window.Custom(func() string { return "" }, func(_ *string, v string) { p.seeValue(v) }, func(*string) string { return "new" }))
	})
	// The values that these change are pointers. Each is declared in one line.
	add("Update", "update-1", mapsValue, false, false, func(s textStream, p *probe) textStream {
		return s.Map(pointer).Update(func(v *string) { p.seeValue(*v); *v = "new" }).Map(pointed)
	})
	add("UpdateRecord", "update-1", mapsValue, true, false, func(s textStream, p *probe) textStream {
		update := func(ctx context.Context, r weir.Record[string, *string]) error {
			defer func() { *r.Value = "new" }()
			return p.tryValue(ctx, *r.Value)
		}
		return s.Map(pointer).UpdateRecord(update).Map(pointed)
	})
	add("MapKeyRecord GroupByKeyWith", "mapkey-1", mapsKey, true, true, func(s textStream, p *probe) textStream {
		return s.MapKeyRecord(func(ctx context.Context, r textRecord) (string, error) {
			return "new", p.tryRecord(ctx, r)
		}).GroupByKeyWith(stream.Repartition[string, string]{Name: "g"})
	})
	// These write to the topic themselves; the stream that is returned is empty.
	none := func(string) bool { return false }
	add("ToWith", "sink out", addsHeader, false, true, func(s textStream, p *probe) textStream {
		s.ToWith(out, weir.Write[string, string]{Headers: func(r textRecord) []weir.Header { p.see(r); return append(r.Headers, header) }})
		return s.Filter(none)
	})
	add("ToOneOf", "to-1", passes, true, true, func(s textStream, p *probe) textStream {
		s.ToOneOf(func(ctx context.Context, r textRecord) (stream.Topic[string, string], error) {
			return out, p.tryRecord(ctx, r)
		}, out, topic("other"))
		return s.Filter(none)
	})
	add("ToOneOfWith", "to-1", setsTime, false, true, func(s textStream, p *probe) textStream {
		write := weir.Write[string, string]{Time: func(textRecord) time.Time { return at(77) }}
		s.ToOneOfWith(write, func(_ context.Context, r textRecord) (stream.Topic[string, string], error) { p.see(r); return out, nil }, out, topic("other"))
		return s.Filter(none)
	})
	add("ToDynamic", "todynamic-1", passes, true, true, func(s textStream, p *probe) textStream {
		s.ToDynamic(out, func(ctx context.Context, r textRecord) (string, error) { return out.Name(), p.tryRecord(ctx, r) })
		return s.Filter(none)
	})
	add("Process", "process cell", mapsState, true, true, func(s textStream, p *probe) textStream {
		return s.Process(cellHandle, func(*textCell) weir.Processor[string, string, string, string] { return &prober{probe: p} })
	})
}
