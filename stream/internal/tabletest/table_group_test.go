package tabletest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// letters has one row for each last letter of the cities: the number of rows and the sum of their lengths.
func letters(t *stream.Topology) stream.Table[string, string] {
	length := window.Sum(func(city string) int { return len(city) })
	return t.Table(cities).
		Filter(func(_, city string) bool { return city != "Rome" }).
		Map(func(key, city string) string { return strings.ToLower(city) }).
		GroupBy("letter", func(_, city string) string { return city[len(city)-1:] }).
		Aggregate("letters", window.Combine2(window.Count[string](), length, func(n int64, sum int) string {
			return strings.Repeat("*", int(n)) + strings.Repeat("-", sum)
		}))
}

// Groups are right after restarts and after a loss of all state, with either guarantee, and rows of theirs can be joined.
func TestGroupsSurviveRestarts(t *testing.T) {
	for name, exactlyOnce := range map[string]bool{"at least once": false, "exactly once": true} {
		t.Run(name, func(t *testing.T) {
			topology := stream.NewTopology()
			groups := letters(topology)
			groups.To(words)
			d := testkit.New(t, topology, testkit.Config{ExactlyOnce: exactlyOnce})
			send := func(key, city string) {
				t.Helper()
				if city == "" {
					d.Input(cities).SendRecords(testkit.Record[string, string]{Key: key, ValueNull: true, Time: time.Unix(1, 0)})
				} else {
					d.Input(cities).Send(key, city, time.Unix(1, 0))
				}
			}
			send("1", "Oslo")
			send("2", "Quito")
			d.Restart()
			send("1", "Bonn")
			d.Crash(testkit.LoseState)
			send("2", "Porto") // in one message
			send("3", "Rome")
			send("1", "Rome")
			send("2", "")
			got := map[string][]string{}
			for _, r := range d.Output(words).Read() {
				got[r.Key] = append(got[r.Key], r.Value)
			}
			if !exactlyOnce { // the crash repeats work, which changes no group
				for group, results := range got {
					got[group] = results[len(results)-1:]
				}
				if diff := cmp.Diff(map[string][]string{"o": {""}, "n": {""}}, got); diff != "" {
					t.Errorf("last results (-want +got):\n%s", diff)
				}
				return
			}
			want := map[string][]string{"o": {"*----", "**---------", "*-----", "*-----", ""}, "n": {"*----", ""}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesOfDerivedTablesAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		build func(t *stream.Topology)
		want  string
	}{
		"an aggregator that takes nothing back": {func(t *stream.Topology) {
			t.Table(cities).GroupBy("g", concat).Aggregate("a", window.Max(func(s string) int { return len(s) })).Stream().Print(stream.PrintOptions{})
		}, "the aggregator cannot take values back"},
		"one part takes nothing back": {func(t *stream.Topology) {
			a := window.Combine2(window.Count[string](), window.Last(func(s string) string { return s }), func(_ int64, s string) string { return s })
			t.Table(cities).GroupBy("g", concat).Aggregate("a", a).To(words)
		}, "the aggregator cannot take values back"},
		"no function of the key": {func(t *stream.Topology) {
			t.Table(cities).GroupBy[string]("g", nil).Aggregate("a", window.Count[string]()).Stream().Print(stream.PrintOptions{})
		}, "the function is nil"},
		"no condition": {func(t *stream.Topology) { t.Table(cities).Filter(nil).To(words) }, "the function is nil"},
		"no change":    {func(t *stream.Topology) { t.Table(cities).Map[string](nil).To(words) }, "the function is nil"},
		"no name": {func(t *stream.Topology) {
			t.Table(cities).GroupBy("", concat).Aggregate("a", window.Count[string]()).Stream().Print(stream.PrintOptions{})
		}, "name of the operation"},
		"nothing reads the groups": {func(t *stream.Topology) {
			t.Table(cities).GroupBy("g", concat).Aggregate("a", window.Count[string]())
		}, "nothing reads this table"},
		"nothing reads the changed rows": {func(t *stream.Topology) { t.Table(cities).Map(concat) }, "nothing reads this table"},
		"both sides are made of one table": {func(t *stream.Topology) {
			all := t.Table(cities)
			all.Filter(func(string, string) bool { return true }).Join(all.Map(concat), concat).To(words)
		}, "both sides are made of the same table"},
	} {
		t.Run(name, func(t *testing.T) {
			topology := stream.NewTopology()
			test.build(topology)
			err := topology.Validate()
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Count(err.Error(), "\n") > 1 {
				t.Errorf("%v", err)
			}
		})
	}
}

// The accumulators of one aggregator are no state of another.
func TestAnotherAggregatorOfGroupsIsAChange(t *testing.T) {
	version := func(a window.Aggregator[string, int64, int64]) stream.Inventory {
		topology := stream.NewTopology()
		topology.Table(cities).GroupBy("g", concat).Aggregate("a", a).Stream().Print(stream.PrintOptions{})
		return topology.Inventory()
	}
	none := func() int64 { return 0 }
	change := func(*int64, string) {}
	other := version(window.CustomSubtracting(none, change, change, func(n *int64) int64 { return *n }))
	counted := version(window.Count[string]())
	if changes := stream.Diff(counted, other); len(changes) != 1 || changes[0].Harmless() || !strings.Contains(changes[0].String(), `"a"`) {
		t.Errorf("changes: %v", changes)
	}
	if changes := stream.Diff(counted, version(window.Count[string]())); len(changes) != 0 {
		t.Errorf("changes: %v", changes)
	}
}
