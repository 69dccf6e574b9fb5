package inventorytest_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/window"
)

// version declares a topology with state in two streams; edit changes it.
func version(edit func(t *stream.Topology, s textStream) textStream, group, cell string, size time.Duration) *stream.Topology {
	t := stream.NewTopology()
	s := edit(t, t.From(in))
	s = edit(t, s.MapState(store.NewCell[string](cell), first))
	s = edit(t, s.GroupBy(group, same))
	streamtest.Read(s.Window(window.Tumbling(size).Name("w")).Aggregate(window.Count[string]()).Final())
	return t
}

func noEdit(_ *stream.Topology, s textStream) textStream { return s }

// Operators without state, branches and other streams do not move state.
func TestUnrelatedEditsKeepTheFingerprintOfState(t *testing.T) {
	before := version(noEdit, "g", "c", time.Minute)
	after := version(func(t *stream.Topology, s textStream) textStream {
		s.Filter(accept).Print(stream.PrintOptions{}).To(out)
		return s.Peek(func(string) {}).Map(same).Merge(s)
	}, "g", "c", time.Minute)
	if a, b := before.Fingerprint(), after.Fingerprint(); a != b || len(a) != 32 {
		t.Errorf("%s has become %s", a, b)
	}
	if changes := stream.Diff(before.Inventory(), after.Inventory()); len(changes) != 0 {
		t.Errorf("changes: %v", changes)
	}
	other := version(noEdit, "g", "c", time.Minute)
	other.From(topic("other")).MapState(store.NewCell[string]("c"), first)
	changes := stream.Diff(before.Inventory(), other.Inventory())
	if len(changes) != 1 || !changes[0].Harmless() || changes[0].Topic != "changelog__GROUP--other--c" {
		t.Errorf("changes: %v", changes)
	}
	if other.Fingerprint() == before.Fingerprint() {
		t.Error("more state, the same fingerprint")
	}
}

func TestDiffSaysWhatAnUpgradeOrphans(t *testing.T) {
	before := version(noEdit, "g", "c", time.Minute).Inventory()
	for name, c := range map[string]struct {
		after *stream.Topology
		want  []string
	}{
		"nothing": {version(noEdit, "g", "c", time.Minute), nil},
		"a store is renamed": {version(noEdit, "g", "d", time.Minute), []string{
			`state orphaned: changelog__GROUP--in--c (store "c" of stream "in")`,
			`state new: changelog__GROUP--in--d (store "d" of stream "in")`,
		}},
		"an operation is renamed, and what follows with it": {version(noEdit, "h", "c", time.Minute), []string{
			`state orphaned: changelog__GROUP--repartition.in.g--w_tumbling_window_60000 (store "w_tumbling_window_60000" of stream "repartition.in.g"; stream "repartition.in.h" has one of this name, which begins empty)`,
			`topic orphaned: repartition__GROUP--in--g (records that were not read yet are not read any more)`,
			`state new: changelog__GROUP--repartition.in.h--w_tumbling_window_60000 (store "w_tumbling_window_60000" of stream "repartition.in.h")`,
			`topic new: repartition__GROUP--in--h (it begins empty)`,
		}},
		"another topic is merged in, and gives the stream another id": {
			version(func(t *stream.Topology, s textStream) textStream {
				if len(t.Graph().Nodes) == 1 {
					return s.Merge(t.From(topic("also")))
				}
				return s
			}, "g", "c", time.Minute),
			[]string{
				`state orphaned: changelog__GROUP--in--c (store "c" of stream "in"; stream "also--in" has one of this name, which begins empty)`,
				`state orphaned: changelog__GROUP--repartition.in.g--w_tumbling_window_60000 (store "w_tumbling_window_60000" of stream "repartition.in.g"; stream "repartition.also.in.g" has one of this name, which begins empty)`,
				`topic orphaned: repartition__GROUP--in--g (records that were not read yet are not read any more)`,
				`state new: changelog__GROUP--also--in--c (store "c" of stream "also--in")`,
				`state new: changelog__GROUP--repartition.also.in.g--w_tumbling_window_60000 (store "w_tumbling_window_60000" of stream "repartition.also.in.g")`,
				`topic new: repartition__GROUP--also--in--g (it begins empty)`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.after.Validate(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, change := range stream.Diff(before, c.after.Inventory()) {
				got = append(got, change.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffSeesOtherOperatorsAndNumbersOfPartitions(t *testing.T) {
	declare := func(partitions int32) *stream.Topology {
		t := stream.NewTopology()
		t.From(in).GroupByWith(stream.Repartition[string, string]{Name: "g", Partitions: partitions}, same).
			MapState(store.NewCell[string]("c"), first)
		return t
	}
	before, after := declare(4).Inventory(), declare(8).Inventory()
	after.Streams[1].Stores[0].Operator = "window"
	changes := stream.Diff(before, after)
	if len(changes) != 2 || changes[0].Kind != stream.StateReused || changes[1].Kind != stream.PartitionsChanged ||
		changes[1].Note != "4 asked for, now 8" || changes[0].Harmless() || before.Fingerprint() == after.Fingerprint() {
		t.Errorf("changes: %v", changes)
	}
}

// A store that loses its changelog loses its content, and one that gets another type without a changelog is seen too.
func TestDiffSeesThatAStoreHasNoChangelog(t *testing.T) {
	declare := func(h store.Handle[*store.Cell[string]]) stream.Inventory {
		t := stream.NewTopology()
		t.From(in).MapState(h, first)
		return t.Inventory()
	}
	cell := store.NewCell[string]("c")
	logged, unlogged := declare(cell), declare(cell.WithoutChangelog())
	changes := stream.Diff(logged, unlogged)
	if len(changes) != 2 || changes[0].Kind != stream.StateOrphaned || !strings.Contains(changes[0].Note, "has no changelog") ||
		changes[1].Kind != stream.StateNew || changes[1].Topic != "in/c" || logged.Fingerprint() == unlogged.Fingerprint() {
		t.Errorf("changes: %v", changes)
	}
	if changes := stream.Diff(unlogged, unlogged); len(changes) > 0 {
		t.Errorf("changes from a topology to itself: %v", changes)
	}
	retyped := declare(store.NewCell[string]("c").WithCodec(codec.JSON[string]()).WithoutChangelog())
	if changes := stream.Diff(unlogged, retyped); len(changes) != 1 || changes[0].Kind != stream.StateRetyped || changes[0].Topic != "in/c" {
		t.Errorf("changes: %v", changes)
	}
}

type (
	oldState struct{ N int }
	newState struct{ N int }
)

// A store whose types or codecs are other ones is another store, wherever it is declared.
func TestDiffSeesOtherTypesAndCodecs(t *testing.T) {
	const changelog = "changelog__GROUP--in--s"
	type declare = func(s textStream)
	nothing := func(string, *string) string { return "" }
	mapState := func(key codec.Codec[string], h store.Handle[*store.Cell[int]]) declare {
		return func(s textStream) {
			s.WithKeyCodec(key).MapState(h, func(*store.Cell[int], string) string { return "" })
		}
	}
	asOf := func(value codec.Codec[string], handle join.AsOf) declare {
		return func(s textStream) { streamtest.Read(s.LeftJoinAsOf(s, handle.Name("s").RightCodec(value), nothing)) }
	}
	for name, c := range map[string]struct {
		before, after declare
		want          string
	}{
		"type of a cell": {
			func(s textStream) {
				s.Map(func(string) oldState { return oldState{} }).Reduce(store.NewCell[oldState]("s"), streamtest.KeepFirst)
			},
			func(s textStream) {
				s.Map(func(string) newState { return newState{} }).Reduce(store.NewCell[newState]("s"), streamtest.KeepFirst)
			},
			"states were inventorytest_test.oldState as codec.jsonCodec[inventorytest_test.oldState] and are inventorytest_test.newState as codec.jsonCodec[inventorytest_test.newState]",
		},
		"codec of a cell": {
			mapState(codec.String(), store.NewCell[int]("s")), mapState(codec.String(), store.NewCell[int]("s").WithCodec(codec.JSON[int]())),
			"states were int as codec.intCodec and are int as codec.jsonCodec[int]",
		},
		"codec of the keys": {
			mapState(codec.String(), store.NewCell[int]("s")), mapState(codec.JSON[string](), store.NewCell[int]("s")),
			"keys were string as codec.stringCodec and are string as codec.jsonCodec[string]",
		},
		"field of a map": {
			func(s textStream) {
				s.FilterState(store.NewMap[int, bool]("s"), func(*store.Map[int, bool], string) bool { return true })
			},
			func(s textStream) {
				s.FilterState(store.NewMap[string, bool]("s"), func(*store.Map[string, bool], string) bool { return true })
			},
			"states were int as codec.intCodec => bool as codec.boolCodec and are string as codec.stringCodec => bool as codec.boolCodec",
		},
		"accumulator": {
			func(s textStream) { streamtest.Read(s.Aggregate("s", window.Sum(func(string) int64 { return 0 }))) },
			func(s textStream) { streamtest.Read(s.Aggregate("s", window.Sum(func(string) float64 { return 0 }))) },
			"states were window.SumState[int64] as window.sumCodec[int64] of codec.int64Codec and are window.SumState[float64] as window.sumCodec[float64] of codec.float64Codec",
		},
		"table": {
			func(s textStream) { streamtest.Read(stream.TableOf(s, "s").Stream()) }, func(s textStream) {
				streamtest.Read(stream.TableOf(s.Map(func(string) int { return 0 }), "s").Stream())
			},
			"states were string as codec.stringCodec and are int as codec.intCodec",
		},
		"nothing": {mapState(codec.String(), store.NewCell[int]("s")), mapState(codec.String(), store.NewCell[int]("s").WithTTL(time.Hour)), ""},
		"as-of join": {
			asOf(codec.String(), join.AsOf{}.Grace(time.Hour)), asOf(codec.JSON[string](), join.AsOf{}.Grace(time.Minute)),
			"states were string as codec.stringCodec and are string as codec.jsonCodec[string]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inventory := func(f declare) stream.Inventory {
				t.Helper()
				topology := stream.NewTopology()
				f(topology.From(in))
				if err := topology.Validate(); err != nil {
					t.Fatal(err)
				}
				return topology.Inventory()
			}
			before, after := inventory(c.before), inventory(c.after)
			var got string
			changes := stream.Diff(before, after)
			if len(changes) > 0 {
				got = changes[0].String()
			}
			if c.want == "" {
				if len(changes) > 0 || before.Fingerprint() != after.Fingerprint() {
					t.Errorf("changes: %v", changes)
				}
				return
			}
			if want := `state retyped: ` + changelog + ` (store "s" of stream "in": ` + c.want + ")"; len(changes) != 1 || got != want {
				t.Errorf("changes: %v\nwant %s", changes, want)
			}
			if before.Fingerprint() == after.Fingerprint() {
				t.Error("the fingerprint is the same")
			}
			// A version that did not write types down is not told from this one by Diff.
			before.Streams[0].Stores[0].Key, before.Streams[0].Stores[0].State = "", ""
			if changes := stream.Diff(before, after); len(changes) > 0 {
				t.Errorf("changes since a version without types: %v", changes)
			}
		})
	}
}

func TestDiffSeesOtherCodecsOfInternalTopics(t *testing.T) {
	declare := func(key codec.Codec[string]) stream.Inventory {
		t := stream.NewTopology()
		t.From(in).GroupByWith(stream.Repartition[string, string]{Name: "g", Key: key}, same).To(out)
		return t.Inventory()
	}
	before, after := declare(nil), declare(codec.JSON[string]())
	changes := stream.Diff(before, after)
	const want = "topic retyped: repartition__GROUP--in--g (keys were string as codec.stringCodec and are string as codec.jsonCodec[string])"
	if len(changes) != 1 || changes[0].String() != want || before.Fingerprint() == after.Fingerprint() {
		t.Errorf("changes: %v, want %s", changes, want)
	}
	if changes := stream.Diff(before, declare(codec.String())); len(changes) > 0 {
		t.Errorf("the default is another codec: %v", changes)
	}
}

// An inventory is the same in every build, and on every machine.
func TestInventoriesAreTheSameEverywhere(t *testing.T) {
	inventory := everything().Inventory()
	for _, s := range inventory.Streams {
		for _, store := range s.Stores {
			if store.Key == "" || store.State == "" {
				t.Errorf("a store does not say what it keeps: %+v", store)
			}
		}
	}
	text, err := json.MarshalIndent(inventory, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got := string(text) + "\n" + inventory.Fingerprint() + "\n"
	streamtest.Golden(t, "inventory_everything.txt", got)
}

func TestInventoriesAreKeptAsJSON(t *testing.T) {
	want := everything().Inventory()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got stream.Inventory
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Fingerprint() != want.Fingerprint() || len(stream.Diff(got, want)) != 0 {
		t.Errorf("%s has become %+v", text, got)
	}
}

func TestDrawings(t *testing.T) {
	for name, got := range map[string]string{
		"mermaid_everything.txt": everything().Mermaid(), "dot_everything.txt": everything().DOT(),
		"svg_everything.svg": everything().SVG(), "svg_empty.svg": stream.NewTopology().SVG(),
		"mermaid_empty.txt": stream.NewTopology().Mermaid(), "dot_empty.txt": stream.NewTopology().DOT(),
	} {
		t.Run(name, func(t *testing.T) {
			streamtest.Golden(t, name, got)
		})
	}
}

// Every operator and every topic is a box, and every arrow is between boxes.
func TestDrawingsAreComplete(t *testing.T) {
	topology := everything()
	drawn := topology.Mermaid()
	for _, n := range topology.Graph().Nodes {
		if !strings.Contains(drawn, fmt.Sprintf("    n%d[%q]\n", n.ID+1, n.String())) {
			t.Errorf("%s is not drawn", n)
		}
	}
	boxes := map[string]bool{}
	for line := range strings.Lines(drawn) {
		if i := strings.IndexAny(line, "[("); i >= 0 && !strings.Contains(line, "subgraph") {
			boxes[strings.TrimSpace(line[:i])] = true
		}
	}
	for line := range strings.Lines(drawn) {
		if ends := strings.Fields(line); len(ends) == 3 && strings.HasSuffix(ends[1], "->") && (!boxes[ends[0]] || !boxes[ends[2]]) {
			t.Errorf("an arrow to nowhere: %s", line)
		}
	}
}

// A picture is well-formed, has each label, and points at nothing outside.
func TestPicturesAreCompleteDocuments(t *testing.T) {
	evil := "<&>\"'\x00\xff\uFFFE]]>" + strings.Repeat("é", 60)
	named := stream.NewTopology()
	streamtest.Read(named.From(in).GroupBy("g", same).MapState(store.NewCell[string]("c"), first))
	named.From(topic(evil)).To(out)
	for _, topology := range []*stream.Topology{everything(), stream.NewTopology(), named} {
		picture := topology.SVG()
		d := xml.NewDecoder(strings.NewReader(picture))
		var texts []string
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, picture)
			}
			switch token := token.(type) {
			case xml.CharData:
				texts = append(texts, string(token))
			case xml.StartElement:
				for _, a := range token.Attr {
					if strings.Contains(a.Value, "://") && a.Name.Local != "xmlns" || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
						t.Errorf("%s has %s=%q", token.Name.Local, a.Name.Local, a.Value)
					}
				}
			}
		}
		for _, n := range topology.Graph().Nodes {
			if topology != named && !slices.Contains(texts, n.String()) {
				t.Errorf("%s is not drawn", n)
			}
		}
	}
}
