package definitiontest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// line returns the line that calls it, as a Finding names it.
func line() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("definitiontest/%s:%d", file[strings.LastIndexByte(file, '/')+1:], line)
}

// above returns the line before that which calls it.
func above() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("definitiontest/%s:%d", file[strings.LastIndexByte(file, '/')+1:], line-1)
}

// below returns the line after that which calls it.
func below() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("definitiontest/%s:%d", file[strings.LastIndexByte(file, '/')+1:], line+1)
}

// findings returns what Validate finds.
func findings(topology *stream.Topology) []stream.Finding {
	invalid, ok := errors.AsType[*stream.ValidationError](topology.Validate())
	if !ok {
		return nil
	}
	return invalid.Findings
}

// keyChanges are all ways to change the key of a record without sending it to the partition of the new one.
var keyChanges = map[string]func(textStream) (textStream, string){
	"MapKey":       func(s textStream) (textStream, string) { return s.MapKey(same), line() },
	"MapKeyRecord": func(s textStream) (textStream, string) { return s.MapKeyRecord(valueOf), line() },
	"Transform":    func(s textStream) (textStream, string) { return s.Transform(sameRecord), line() },
	"ProcessState": func(s textStream) (textStream, string) {
		started := below()
		return s.ProcessState(store.NewCell[string]("p"), func(_ context.Context, _ *textCell, r textRecord, emit func(textRecord)) error {
			emit(r)
			return nil
		}), started
	},
	"Process": func(s textStream) (textStream, string) {
		return s.Process(store.None(), func(struct{}) weir.Processor[string, string, string, string] { return nil }), line()
	},
	"behind stateless operators": func(s textStream) (textStream, string) {
		s, at := s.Merge().MapKey(same), line()
		s = s.Filter(accept).Map(same).FlatMap(func(v string) []string { return []string{v} }).SetTimestamp(func(string) time.Time { return at0 })
		return s.Merge(s.Branch().When("all", accept)), at
	},
}

var at0 = time.UnixMilli(0)

func valueOf(_ context.Context, r textRecord) (string, error) { return r.Value, nil }

func sameRecord(_ context.Context, r textRecord) (textRecord, error) { return r, nil }

// keyUses are all operators that rely on it that the records of a key come to one task.
var keyUses = map[string]func(t *stream.Topology, s textStream) string{
	"MapState":    func(_ *stream.Topology, s textStream) string { s.MapState(cellHandle, first).To(out); return line() },
	"FilterState": func(_ *stream.Topology, s textStream) string { s.FilterState(cellHandle, keep).To(out); return line() },
	"FlatMapState": func(_ *stream.Topology, s textStream) string {
		s.FlatMapState(cellHandle, func(*textCell, string) []string { return nil }).To(out)
		return above()
	},
	"Deduplicate": func(_ *stream.Topology, s textStream) string {
		s.Deduplicate("d", time.Hour, same).To(out)
		return above()
	},
	"Reduce": func(_ *stream.Topology, s textStream) string {
		s.Reduce(cellHandle, streamtest.KeepFirst).To(out)
		return above()
	},
	"Aggregate": func(_ *stream.Topology, s textStream) string {
		streamtest.Read(s.Aggregate("a", window.Count[string]()))
		return above()
	},
	"ProcessState": func(_ *stream.Topology, s textStream) string {
		s.ProcessState(cellHandle, func(context.Context, *textCell, textRecord, func(textRecord)) error { return nil }).To(out)
		return above()
	},
	"Process with timers": func(_ *stream.Topology, s textStream) string {
		s.Process(store.NewTimers("t"), func(*store.Timers) weir.Processor[string, string, string, string] { return nil }).To(out)
		return above()
	},
	"a window": func(_ *stream.Topology, s textStream) string {
		streamtest.Read(s.Window(window.Tumbling(time.Second)).Aggregate(window.Count[string]()).Final())
		return above()
	},
	"TableOf": func(_ *stream.Topology, s textStream) string { stream.TableOf(s, "t").To(out); return line() },
	"the left side of JoinAsOf": func(t *stream.Topology, s textStream) string {
		s.JoinAsOf(t.From(topic("right")), join.AsOf{}.Grace(time.Hour), both).To(out)
		return above()
	},
	"the right side of JoinAsOf": func(t *stream.Topology, s textStream) string {
		t.From(topic("left")).JoinAsOf(s, join.AsOf{}.Grace(time.Hour), both).To(out)
		return above()
	},
	"the right side of JoinInterval": func(t *stream.Topology, s textStream) string {
		t.From(topic("left")).JoinInterval(s, join.Within(time.Hour, time.Hour), both).To(out)
		return above()
	},
	"JoinTable": func(t *stream.Topology, s textStream) string {
		s.JoinTable(t.Table(topic("table")), both).To(out)
		return above()
	},
}

func both(l, _ string) string { return l }

func keep(*textCell, string) bool { return true }

func TestStateBehindAChangedKeyIsRefused(t *testing.T) {
	for changeName, change := range keyChanges {
		for useName, use := range keyUses {
			t.Run(useName+" after "+changeName, func(t *testing.T) {
				topology := stream.NewTopology()
				s, changed := change(topology.From(in))
				used := use(topology, s)
				all := findings(topology)
				if len(all) != 1 || all[0].Site != used {
					t.Fatalf("findings %v, want one at %s", all, used)
				}
				for _, part := range []string{"the key is changed at " + changed, "GroupByKey", "AssumePartitioned"} {
					if !strings.Contains(all[0].Problem, part) {
						t.Errorf("%q is not in %v", part, all[0])
					}
				}
				for name, remedy := range map[string]func(textStream) textStream{
					"GroupByKey":        func(s textStream) textStream { return s.GroupByKey("g").Filter(accept) },
					"GroupBy":           func(s textStream) textStream { return s.GroupBy("g", same) },
					"AssumePartitioned": func(s textStream) textStream { return s.AssumePartitioned().Filter(accept) },
				} {
					topology := stream.NewTopology()
					s, _ := change(topology.From(in))
					use(topology, remedy(s))
					if all := findings(topology); all != nil {
						t.Errorf("with %s: %v", name, all)
					}
				}
			})
		}
	}
}

// A change of the key after the state, or beside it, is none of its business.
func TestAChangedKeyThatNoStateSeesIsFine(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(in)
	s.MapKey(same).To(out)
	s = s.MapState(cellHandle, first)
	s.MapKey(same).To(topic("again"))
	s.GroupBy("g", same).MapState(store.NewCell[string]("cell"), first).MapKey(same).Peek(func(string) {})
	if all := findings(topology); all != nil {
		t.Error(all)
	}
}

func TestEachChangeOfTheKeyIsFoundOnce(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(in).MapKey(same)
	s = s.MapState(cellHandle, first).MapState(store.NewCell[string]("more"), first)
	s.MapKey(same).AssumePartitioned().MapKey(same).MapState(store.NewCell[string]("last"), first).To(out)
	var got []string
	for _, f := range findings(topology) {
		got = append(got, f.Node)
	}
	if diff := cmp.Diff([]string{"mapstate cell", "mapstate last"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateOfATopicWhosePartitionsAreChosenIsRefused(t *testing.T) {
	write := weir.Write[string, string]{Partition: func(textRecord, int32) int32 { return 0 }}
	between := topic("between")
	for name, to := range map[string]func(textStream) string{
		"ToWith": func(s textStream) string { s.ToWith(between, write); return line() },
		"ToOneOfWith": func(s textStream) string {
			s.ToOneOfWith(write, func(context.Context, textRecord) (textTopic, error) { return between, nil }, between)
			return above()
		},
	} {
		topology := stream.NewTopology()
		written := to(topology.From(in))
		s := topology.From(between)
		s.MapState(cellHandle, first).To(out)
		s.GroupByKey("g").MapState(store.NewCell[string]("grouped"), first).To(topic("grouped"))
		s.AssumePartitioned().MapState(store.NewCell[string]("assumed"), first).To(topic("assumed"))
		all := findings(topology)
		if len(all) != 1 || all[0].Node != "mapstate cell" || !strings.Contains(all[0].Problem, written) {
			t.Errorf("%s: %v, want one at %s", name, all, written)
		}
	}
	topology := stream.NewTopology()
	topology.From(in).ToWith(between, weir.Write[string, string]{Key: func(r textRecord) string { return r.Value }}) // goes to the partition of that key
	topology.From(between).MapState(cellHandle, first).To(out)
	if all := findings(topology); all != nil {
		t.Error(all)
	}
}

// The partition is the hash of the bytes of the key.
func TestJoinsOfKeysInDifferentCodecsAreRefused(t *testing.T) {
	inJSON := stream.NewTopic("json", codec.JSON[string](), codec.String())
	for name, declare := range map[string]func(left, right textStream) textStream{
		"a join":              func(l, r textStream) textStream { return l.JoinAsOf(r, join.AsOf{}.Grace(time.Hour), both) },
		"a join with a table": func(l, r textStream) textStream { return l.JoinTable(stream.TableOf(r, "t"), both) },
		"a join of tables": func(l, r textStream) textStream {
			return stream.TableOf(l, "l").Join(stream.TableOf(r, "r"), both).Stream()
		},
		"state behind Merge": func(l, r textStream) textStream { return l.Merge(r).Filter(accept).MapState(cellHandle, first) },
		"a join with WithKeyCodec": func(l, r textStream) textStream {
			return l.JoinAsOf(r.WithKeyCodec(codec.String()), join.AsOf{}.Grace(time.Hour), both)
		},
	} {
		topology := stream.NewTopology()
		declare(topology.From(in), topology.From(inJSON)).To(out)
		all := findings(topology)
		if len(all) != 1 || !strings.Contains(all[0].Problem, "string as codec.jsonCodec[string]") || !strings.Contains(all[0].Problem, "string as codec.stringCodec") {
			t.Errorf("%s: %v", name, all)
		}
		for name, remedy := range map[string]func(textStream) textStream{
			"GroupByKeyWith": func(s textStream) textStream {
				return s.GroupByKeyWith(stream.Repartition[string, string]{Name: "g", Key: codec.String()})
			},
			"AssumePartitioned": textStream.AssumePartitioned,
		} {
			topology := stream.NewTopology()
			declare(topology.From(in), remedy(topology.From(inJSON))).To(out)
			if all := findings(topology); all != nil {
				t.Errorf("%s: %v", name, all)
			}
		}
	}
}

func TestJoinsOfGroupedStreamsInDifferentCodecsAreRefused(t *testing.T) {
	topology := stream.NewTopology()
	left := topology.From(in).GroupByKey("l")
	right := topology.From(stream.NewTopic("json", codec.JSON[string](), codec.String())).GroupByKey("r")
	left.JoinAsOf(right, join.AsOf{}.Grace(time.Hour), both).To(out)
	if all := findings(topology); len(all) != 1 || !strings.Contains(all[0].Problem, "equal keys are in different partitions") {
		t.Errorf("findings: %v", all)
	}
}

// The counts of one key in three partitions: the remedy counts right, and saying that it is partitioned does not make it so.
func TestAChangedKeyIsCountedInOneTaskAfterGroupByKey(t *testing.T) {
	counts := func(remedy func(stream.Stream[string, int]) stream.Stream[string, int]) []int {
		topology := stream.NewTopology()
		remedy(topology.From(nums).MapKey(func(int) string { return "all" })).
			MapState(store.NewCell[int]("count"), func(c *store.Cell[int], _ int) int {
				n, _ := c.Get()
				c.Set(n + 1)
				return n + 1
			}).To(numsOut)
		d := testkit.New(t, topology, testkit.Config{Partitions: 3})
		for i := range 6 {
			d.Input(nums).Send(fmt.Sprint("key ", i), i, at(0))
		}
		return d.Output(numsOut).Values()
	}
	grouped := counts(func(s stream.Stream[string, int]) stream.Stream[string, int] { return s.GroupByKey("g") })
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6}, grouped); diff != "" {
		t.Errorf("with GroupByKey (-want +got):\n%s", diff)
	}
	assumed := counts(stream.Stream[string, int].AssumePartitioned)
	if cmp.Equal([]int{1, 2, 3, 4, 5, 6}, assumed) {
		t.Error("the keys are in one partition: this test shows nothing")
	}
}
