package operatortest_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The tests of this file are the rules (S-n, D-n, K-n) and worked examples (EX-n) of the specification of the reference
// product that concern streams without windows and joins. Others name their rules where they are: D-12, D-51 to D-58 and
// K-30 to K-71 in internal/engine, K-3 to K-63, K-80 to K-83 and K-100 to K-110 in store, D-20 to D-24 in row and print_test.go.
//
// These have nothing here that they could be about: S-1, S-3, S-4, S-15, S-20 to S-22, D-1, D-3, D-6, D-32, D-65, D-67 (nodes,
// handles and conditions that types have taken the place of), K-2, K-4, K-5, K-7, K-13, K-33 to K-36, K-44, K-52, K-53, K-55,
// K-81, K-84, K-91 to K-93, K-103, K-108 (kinds, calls, bytes and files that are others).

var (
	lists   = stream.NewTopic("lists", codec.String(), codec.JSON[[]int]())
	objects = stream.NewTopic("objects", codec.String(), codec.JSON[map[string]int]())
)

func plus(n int) func(int) int { return func(v int) int { return v + n } }

// trace runs records through a topology and returns what its functions have noted.
func trace[V any](t *testing.T, in stream.Topic[string, V], values []V, declare func(s stream.Stream[string, V], note func(any))) []string {
	t.Helper()
	var noted []string
	topology := stream.NewTopology()
	declare(topology.From(in), func(v any) { noted = append(noted, fmt.Sprint(v)) })
	d := testkit.New(t, topology, testkit.Config{})
	for _, v := range values {
		d.Input(in).Send("k", v, at(0))
	}
	return noted
}

func expectTrace(t *testing.T, got []string, want ...any) {
	t.Helper()
	var text []string
	for _, w := range want {
		text = append(text, fmt.Sprint(w))
	}
	if diff := cmp.Diff(text, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// EX-1, S-10: branches run in the order of their definition, one completely before the next; what is before the fork runs
// once.
func TestBranchesRunInOrder(t *testing.T) {
	before := 0
	got := trace(t, nums, []int{0}, func(s stream.Stream[string, int], note func(any)) {
		see := func(v int) { note(v) }
		s0 := s.Map(func(v int) int { before++; return v + 10 }).Map(plus(20))
		s0.Map(plus(70)).Map(plus(1)).Peek(see)
		s0.Map(plus(102)).Peek(see)
		s0.Map(plus(500)).Peek(see)
	})
	expectTrace(t, got, 101, 132, 530)
	if before != 1 {
		t.Errorf("the operator before the fork ran %d times", before)
	}
}

// EX-2, S-2, S-10: an item visits all branches before the next is pulled.
func TestItemsVisitAllBranchesBeforeTheNext(t *testing.T) {
	got := trace(t, lists, [][]int{{0, 1}}, func(s stream.Stream[string, []int], note func(any)) {
		e := s.FlatMapSeq(func(all []int) iter.Seq[int] {
			return func(yield func(int) bool) {
				for _, v := range all {
					note("pull")
					if !yield(v) {
						return
					}
				}
			}
		})
		e.Map(plus(10)).Peek(func(v int) { note(v) })
		e.Map(plus(20)).Peek(func(v int) { note(v) })
	})
	expectTrace(t, got, "pull", 10, 20, "pull", 11, 21)
}

// EX-3, S-11: what one branch changes in place, the other does not see.
func TestBranchesDoNotSeeEachOthersUpdates(t *testing.T) {
	for _, first := range []bool{true, false} {
		got := trace(t, objects, []map[string]int{{}}, func(s stream.Stream[string, map[string]int], note func(any)) {
			update := func() {
				s.Update(func(m map[string]int) { m["a"] = 1 }).Peek(func(m map[string]int) { note(len(m)) })
			}
			if first {
				update()
			}
			s.Peek(func(m map[string]int) { note(len(m)) })
			if !first {
				update()
			}
		})
		if first {
			expectTrace(t, got, 1, 0)
		} else {
			expectTrace(t, got, 0, 1)
		}
	}
}

// An operator keeps a value as it was, also if it is changed in place further down.
func TestUpdatesDoNotChangeWhatOperatorsKeep(t *testing.T) {
	type object = map[string]int
	type objectStream = stream.Stream[string, object]
	kept, changed := store.NewCell[object]("kept"), stream.NewTopic("changed", codec.String(), codec.JSON[object]())
	for name, declare := range map[string]func(s objectStream, note func(any)) objectStream{
		"table": func(s objectStream, note func(any)) objectStream {
			table := stream.TableOf(s, "rows")
			s.JoinTable(table, func(_, row object) int { return len(row) }).Peek(func(n int) { note(n) })
			return table.Stream()
		},
		"filter with state": func(s objectStream, note func(any)) objectStream {
			return s.FilterState(kept, func(c *store.Cell[object], v object) bool {
				old, _ := c.Get()
				note(len(old))
				c.Set(v)
				return true
			})
		},
		"map with state": func(s objectStream, note func(any)) objectStream {
			return s.MapState(kept, func(c *store.Cell[object], v object) object {
				old, _ := c.Get()
				note(len(old))
				c.Set(v)
				return v
			})
		},
		"reduce": func(s objectStream, note func(any)) objectStream {
			note(0)
			return s.Reduce(kept, func(soFar, next object) object { note(len(soFar)); return next })
		},
		"process": func(s objectStream, note func(any)) objectStream {
			var last object
			return s.ProcessState(store.None(), func(_ context.Context, _ struct{}, r weir.Record[string, object], emit func(weir.Record[string, object])) error {
				note(len(last))
				last = r.Value
				emit(r)
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := trace(t, objects, []object{{"a": 1}, {"b": 2, "c": 3}}, func(s objectStream, note func(any)) {
				declare(s, note).Update(func(m object) { clear(m) }).To(changed)
			})
			if name == "table" {
				expectTrace(t, got, 1, 2)
			} else {
				expectTrace(t, got, 0, 1)
			}
		})
	}
}

// EX-4, S-10, S-11, S-12: nested branches with updates in place.
func TestNestedBranchesWithUpdates(t *testing.T) {
	list := stream.NewTopic("list", codec.String(), codec.JSON[*[]int]())
	add := func(n int) func(*[]int) { return func(v *[]int) { *v = append(*v, n) } }
	with := func(n int) func(*[]int) *[]int {
		return func(v *[]int) *[]int {
			all := append(append([]int(nil), *v...), n)
			return &all
		}
	}
	got := trace(t, list, []*[]int{{}}, func(s stream.Stream[string, *[]int], note func(any)) {
		see := func(v *[]int) { note(*v) }
		s = s.Map(with(10))
		s.Update(add(5)).Peek(see)
		s = s.Update(add(30)).Map(with(6))
		s.Update(add(100)).Peek(see)
		s.Update(add(456)).Peek(see)
		s.Map(with(700)).Update(add(222)).Peek(see)
	})
	expectTrace(t, got, []int{10, 5}, []int{10, 30, 6, 100}, []int{10, 30, 6, 456}, []int{10, 30, 6, 700, 222})
}

// EX-5, S-2, S-10: three branches that expand, one of which branches again.
func TestExpandingBranches(t *testing.T) {
	pairs := stream.NewTopic("pairs", codec.String(), codec.JSON[[3][2]int]())
	got := trace(t, pairs, [][3][2]int{{{1, 2}, {3, 4}, {5, 6}}}, func(s stream.Stream[string, [3][2]int], note func(any)) {
		see := func(v int) { note(v) }
		item := func(i int) stream.Stream[string, int] {
			return s.FlatMap(func(v [3][2]int) []int { return v[i][:] })
		}
		item(0).Map(plus(22)).Peek(see)
		item(1).Map(plus(33)).Peek(see)
		third := item(2)
		third.Map(plus(44)).Peek(see)
		third.Map(plus(11)).Peek(see)
	})
	expectTrace(t, got, 23, 24, 36, 37, 49, 16, 50, 17)
}

// S-2: an empty iterable drops the record, and so does none.
func TestNothingToExpandDropsTheRecord(t *testing.T) {
	got := trace(t, lists, [][]int{nil, {}}, func(s stream.Stream[string, []int], note func(any)) {
		s.FlatMap(func(v []int) []int { return v }).Peek(func(v int) { note(v) })
		s.FlatMapSeq(noSequence).Peek(func(v int) { note(v) })
	})
	expectTrace(t, got)
}

// S-13, D-52, EX-10: a stream that is made of two gets a record once from each, branch by branch.
func TestRecordsThatComeToBothBranchesComeTwice(t *testing.T) {
	got := trace(t, nums, []int{3, 0, 7}, func(s stream.Stream[string, int], note func(any)) {
		a, b := s.Filter(func(v int) bool { return v > 1 }), s.Filter(func(v int) bool { return v < 5 })
		a.Merge(b).Peek(func(v int) { note(v) })
	})
	expectTrace(t, got, 3, 3, 0, 7)
}

// D-2, D-50: the id of a stream is made of its topics.
func TestTheIDOfAMergedStreamIsMadeOfItsTopics(t *testing.T) {
	topology := stream.NewTopology()
	b, a := topology.From(stream.NewTopic("b", codec.String(), codec.Int())), topology.From(stream.NewTopic("a", codec.String(), codec.Int()))
	b.Merge(a).MapState(store.NewCell[int]("s"), func(*store.Cell[int], int) int { return 0 }).To(numsOut)
	if text := topology.Describe(); !strings.Contains(text, "changelog__GROUP--a--b--s") {
		t.Errorf("description:\n%s", text)
	}
}

// D-11: operators of one stream share their store, and see each other's data, record by record.
func TestOperatorsOfOneStreamShareAStore(t *testing.T) {
	cell := store.NewCell[int]("shared")
	add := func(c *store.Cell[int], v int) int {
		n, _ := c.Get()
		c.Set(n + v)
		return n + v
	}
	topology := stream.NewTopology()
	s := topology.From(nums)
	s.MapState(cell, add).Map(func(int) int { return 100 }).MapState(cell, add).To(numsOut)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(nums).Send("k", 1, at(0))
	d.Input(nums).Send("other", 5, at(0))
	d.Input(nums).Send("k", 2, at(0))
	sums := d.Output(numsOut)
	sums.ExpectValues(101, 105, 203)
	d.Checkpoint()
	d.Crash(testkit.LoseState)
	d.Input(nums).Send("k", 4, at(0))
	sums.ExpectValues(307)
	if topics := strings.Count(strings.Join(d.Topics(), " "), "changelog"); topics != 1 {
		t.Errorf("%d changelogs for one store", topics)
	}
}

// D-4: a topic is read once.
func TestATopicIsReadOnce(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(nums)
	topology.From(nums)
	if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), "is read already") {
		t.Errorf("error %v", err)
	}
}

// D-5, D-45, D-66: an operator that changes state runs, also if its result is not used (one that changes nothing is a mistake); a stream goes on after it was grouped; a record runs through
// what is behind its own topic.
func TestWhatIsDeclaredRuns(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(nums)
	var unused, after, foreign int
	s.MapState(store.NewCell[int]("unused"), func(_ *store.Cell[int], v int) int { unused++; return v })
	s.GroupBy("g", func(v int) int { return v }).MapKey(func(int) string { return "grouped" }).To(numsOut)
	s.Peek(func(int) { after++ })
	topology.From(in).Peek(func(string) { foreign++ })
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(nums).Send("k", 7, at(0))
	d.Output(numsOut).Expect(testkit.Record[string, int]{Key: "grouped", Value: 7, Time: at(0)})
	if unused != 1 || after != 1 || foreign != 0 {
		t.Errorf("called %d, %d and %d times, want 1, 1 and 0", unused, after, foreign)
	}
}

// D-16: a topic that was not declared is an error of the record, and is not made.
func TestOnlyDeclaredTopicsAreChosen(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(in).ToOneOf(func(_ context.Context, r textRecord) (stream.Topic[string, string], error) {
		return topic(r.Value), nil
	}, out)
	d := testkit.New(t, topology, testkit.Config{})
	err := d.Input(in).TrySendRecords(record{Key: "k", Value: "out"}, record{Key: "k", Value: "elsewhere"})
	if err == nil || !strings.Contains(err.Error(), "offset 1") || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("error %v", err)
	}
	if slices.Contains(d.Topics(), "elsewhere") {
		t.Error("the topic was made")
	}
}

// D-25 to D-27: a sink may be at several streams, and gets the key, time and headers that records have by then.
func TestASinkOfSeveralStreams(t *testing.T) {
	var list sink.List[string, int]
	topology := stream.NewTopology()
	s := topology.From(nums)
	s.Sink("as they come", &list)
	s.MapKey(func(int) string { return "new" }).SetTimestamp(func(int) time.Time { return at(9) }).Sink("changed", &list)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(nums).SendRecords(testkit.Record[string, int]{Key: "k", Value: 1, Time: at(5), Headers: []weir.Header{{Key: "h", Value: []byte("x")}}})
	d.Checkpoint()
	var got []string
	for _, r := range list.Records() {
		got = append(got, fmt.Sprintf("%s %d @%d %s=%s", r.Key, r.Value, r.Millis, r.Headers[0].Key, r.Headers[0].Value))
	}
	if diff := cmp.Diff([]string{"k 1 @5 h=x", "new 1 @9 h=x"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// S-14: after an error, branches that come later do not run; what the earlier ones have done stays if the error is skipped.
func TestAnErrorEndsTheRecordWhereItIs(t *testing.T) {
	var ran []string
	note := func(name string) func(int) { return func(int) { ran = append(ran, name) } }
	sum := store.NewCell[int]("sum")
	topology := stream.NewTopology()
	s := topology.From(nums)
	s.MapState(sum, func(c *store.Cell[int], v int) int { n, _ := c.Get(); c.Set(n + v); return n + v }).Peek(note("first")).To(numsOut)
	s.Peek(func(v int) {
		if v == 2 {
			panic("no")
		}
	}).Peek(note("second"))
	s.Peek(note("third"))
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	for v := range 4 {
		d.Input(nums).Send("k", v, at(0))
	}
	d.Output(numsOut).ExpectValues(0, 1, 3, 6)
	want := "first second third first second third first first second third"
	if got := strings.Join(ran, " "); got != want {
		t.Errorf("ran %q, want %q", got, want)
	}
}

// K-101, K-106, K-107: what was restored is as old as it was.
func TestATimeToLiveSurvivesTheLossOfTheState(t *testing.T) {
	topology := stream.NewTopology()
	cell := store.NewCell[int]("sum").WithTTL(100 * time.Millisecond)
	topology.From(nums).MapState(cell, func(c *store.Cell[int], v int) int {
		n, _ := c.Get()
		if v != 0 {
			c.Set(n + v)
		}
		return n
	}).To(numsOut)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(nums).Send("k", 1, at(1000))
	d.Input(nums).Send("old", 1, at(1000))
	d.Input(nums).Send("k", 2, at(1050))
	d.Checkpoint()
	d.Crash(testkit.LoseState)
	d.Input(nums).Send("k", 0, at(1149))
	d.Input(nums).Send("old", 0, at(1149))
	d.Input(nums).Send("k", 0, at(1150))
	d.Input(nums).Send("k", 0, at(1050)) // late
	d.Output(numsOut).ExpectValues(0, 0, 1, 3, 0, 0, 0)
}

// D-14: a key that was changed before is the key of the state.
func TestStateBelongsToTheKeyThatWasChanged(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(nums).MapKey(func(v int) int { return v % 2 }).AssumePartitioned(). // there is one partition
												MapState(store.NewCell[int]("sum"), func(c *store.Cell[int], v int) int {
			n, _ := c.Get()
			c.Set(n + v)
			return n + v
		}).MapKey(func(int) string { return "" }).To(numsOut)
	d := testkit.New(t, topology, testkit.Config{})
	for i := range 5 {
		d.Input(nums).Send(fmt.Sprint("key ", i), i, at(0))
	}
	d.Output(numsOut).ExpectValues(0, 1, 2, 4, 6)
}

// D-18: what is done to the headers that a function is given is not seen elsewhere.
func TestHeadersAreCopiedForSetHeaders(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(nums)
	s.SetHeaders(func(_ context.Context, r weir.Record[string, int]) ([]weir.Header, error) {
		if r.Value == 2 {
			return nil, nil
		}
		r.Headers[0] = weir.Header{Key: "changed"}
		return append(r.Headers, weir.Header{Key: "added"}), nil
	}).To(numsOut)
	s.To(stream.NewTopic("same", codec.String(), codec.Int()))
	d := testkit.New(t, topology, testkit.Config{})
	headers := []weir.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}}
	type numRecord = testkit.Record[string, int]
	d.Input(nums).SendRecords(numRecord{Key: "k", Value: 1, Headers: headers}, numRecord{Key: "k", Value: 2, Headers: headers})
	d.Output(numsOut).Expect(
		numRecord{Key: "k", Value: 1, Headers: []weir.Header{{Key: "changed"}, {Key: "a", Value: []byte("2")}, {Key: "added"}}},
		numRecord{Key: "k", Value: 2},
	)
	d.Output(stream.NewTopic("same", codec.String(), codec.Int())).Expect(
		numRecord{Key: "k", Value: 1, Headers: headers}, numRecord{Key: "k", Value: 2, Headers: headers},
	)
}

// D-19: a time that was set counts for what follows; records are not put in order.
func TestATimeThatWasSetCountsForWhatFollows(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(nums)
	s.SetTimestamp(func(v int) time.Time { return at(int64(v)) }).
		Deduplicate("seen", 10*time.Millisecond, func(int) int { return 0 }).To(numsOut)
	d := testkit.New(t, topology, testkit.Config{})
	for _, v := range []int{100, 109, 50, 110, 111} {
		d.Input(nums).Send("k", v, at(0))
	}
	d.Output(numsOut).Expect(
		testkit.Record[string, int]{Key: "k", Value: 100, Time: at(100)}, testkit.Record[string, int]{Key: "k", Value: 110, Time: at(110)},
	)
}

// EX-9, D-41 to D-43: where the internal topic is, what is kept, and that one partition works as many do.
func TestGroupByGoesThroughATopic(t *testing.T) {
	type purchase struct {
		Customer int `json:"customer"`
		N        int `json:"n"`
	}
	topic := stream.NewTopic("purchases", codec.Bytes(), codec.JSON[purchase]())
	grouped := stream.NewTopic("grouped", codec.Int(), codec.JSON[purchase]())
	for _, partitions := range []int32{1, 2} {
		topology := stream.NewTopology()
		to := stream.Repartition[int, purchase]{Name: "customer", Key: codec.JSON[int]()}
		topology.From(topic).GroupByWith(to, func(p purchase) int { return p.Customer }).
			MapStateRecord(store.NewCell[int]("default"), func(_ context.Context, _ *store.Cell[int], r weir.Record[int, purchase]) (purchase, error) {
				return r.Value, nil
			}).
			To(grouped)
		d := testkit.New(t, topology, testkit.Config{Partitions: partitions})
		headers := []weir.Header{{Key: "h", Value: []byte("1")}}
		d.Input(topic).SendRecords(testkit.Record[[]byte, purchase]{Key: []byte("k"), Value: purchase{7, 1}, Time: at(100), Headers: headers})
		d.Output(grouped).Expect(testkit.Record[int, purchase]{Key: 7, Value: purchase{7, 1}, Time: at(100), Headers: headers})
		want := []string{
			"changelog__test--repartition.purchases.customer--default", "grouped", "purchases", "repartition__test--purchases--customer",
		}
		if diff := cmp.Diff(want, d.Topics()); diff != "" {
			t.Errorf("%d partitions: topics (-want +got):\n%s", partitions, diff)
		}
	}
}

// D-44 holds no reason for us: a stream that was grouped can be grouped again (D-D4). Only two operations of one name on
// one stream are refused; see TestValidateFinds.
func TestGroupsCanBeGroupedAgain(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(in).GroupBy("a", strings.ToUpper).GroupBy("b", strings.ToLower).GroupByKey("c").To(out)
	d := testkit.New(t, topology, testkit.Config{Partitions: 3})
	d.Input(in).Send("k", "Weir", at(5))
	d.Output(out).Expect(record{Key: "weir", Value: "Weir", Time: at(5)})
	want := []string{
		"in", "out", "repartition__test--in--a", "repartition__test--repartition.in.a--b",
		"repartition__test--repartition.repartition.in.a.b--c",
	}
	if diff := cmp.Diff(want, d.Topics()); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

// D-43: a null key stays null.
func TestGroupByKeyKeepsTheRecordAsItIs(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(in).GroupByKeyWith(stream.Repartition[string, string]{Name: "g", Partitions: 2}).To(out)
	d := testkit.New(t, topology, testkit.Config{})
	records := []record{
		{Value: "null key", KeyNull: true, Time: at(1), Headers: []weir.Header{{Key: "h"}}},
		{Key: "k", ValueNull: true, Time: at(2)},
		{Key: "k", Value: "v", Time: at(3)},
	}
	d.Input(in).SendRecords(records...)
	got := d.Output(out).Read()
	slices.SortFunc(got, func(a, b record) int { return a.Time.Compare(b.Time) }) // they come from two partitions
	for i := range records {
		records[i].Time = records[i].Time.UTC()
	}
	if diff := cmp.Diff(records, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func noSequence([]int) iter.Seq[int] { return nil }
