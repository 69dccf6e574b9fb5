package tabletest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// pastRows is the model of a versioned table: the rows of keys by their times in seconds, "" for a deletion.
type pastRows map[string]map[int]string

// at returns the row of a time, and the time from which on it is valid.
func (p pastRows) at(key string, at int) (row string, since int) {
	since = -1
	for time, value := range p[key] {
		if time <= at && time > since {
			row, since = value, time
		}
	}
	return row, since
}

// A versioned table has the row of each time, for joins with it and with tables made of it, also over restarts and losses of state; its changes are
// those of the latest rows.
func TestAVersionedTableHasTheRowOfEachTime(t *testing.T) {
	longtest.Seeds(t, 20, func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		versions := store.NewVersioned[string]("past", time.Hour)
		topology := stream.NewTopology()
		table := stream.VersionedTableOf(topology.From(users), versions)
		table.To(words)
		pagesOf := topology.From(pages)
		pagesOf.LeftJoinTable(table, func(page string, user *string) string {
			if user == nil {
				return page
			}
			return page + *user
		}).To(topic("joined"))
		derived := table.Filter(func(_, user string) bool { return user[0]%2 == 0 }).Map(func(_, user string) string { return user + "!" })
		pagesOf.JoinTable(derived.Join(topology.Table(cities), concat), concat).To(topic("derived"))
		d := testkit.New(t, topology, testkit.Config{ExactlyOnce: true, Partitions: 1 + random.Int32N(3)})
		past := pastRows{}
		want := map[string]map[string][]string{"words": {}, "joined": {}, "derived": {}}
		for key := range 3 {
			d.Input(cities).Send(fmt.Sprint(key), "c", time.Unix(0, 0))
			past[fmt.Sprint(key)] = map[int]string{}
		}
		const forever = 1 << 40
		for i := range 60 {
			key, at := fmt.Sprint(random.IntN(3)), random.IntN(100)
			emit := func(topic, value string) { want[topic][key] = append(want[topic][key], value) }
			if random.IntN(2) == 0 {
				d.Input(pages).Send(key, "p", time.Unix(int64(at), 0))
				row, _ := past.at(key, at)
				emit("joined", "p"+row)
				if row != "" && row[0]%2 == 0 {
					emit("derived", "p"+row+"!c")
				}
			} else {
				row := fmt.Sprint(i)
				if random.IntN(4) == 0 {
					row = ""
				}
				d.Input(users).SendRecords(testkit.Record[string, string]{Key: key, Value: row, ValueNull: row == "", Time: time.Unix(int64(at), 0)})
				latest, since := past.at(key, forever)
				past[key][at] = row
				if at >= since && latest+row != "" {
					emit("words", row)
				}
			}
			switch random.IntN(20) {
			case 0:
				d.Restart()
			case 1:
				d.Crash(testkit.LoseState)
			}
			look := random.IntN(100)
			row, _ := past.at(key, look)
			if got, ok := d.AsOf(versions, key, time.Unix(int64(look), 0)); got != row || ok != (row != "") {
				t.Fatalf("seed %d: %q at %d is %q, %v; want %q", seed, key, look, got, ok, row)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			got := map[string][]string{}
			for _, r := range d.Output(topic(name)).Read() {
				got[r.Key] = append(got[r.Key], r.Value)
			}
			if diff := cmp.Diff(want[name], got); diff != "" {
				t.Fatalf("seed %d: %s (-want +got):\n%s", seed, name, diff)
			}
		}
	})
}

// Rows that are older than the retention are late, and change nothing.
func TestRowsOlderThanTheRetentionAreLate(t *testing.T) {
	topology := stream.NewTopology()
	versions := store.NewVersioned[string]("past", time.Minute)
	stream.VersionedTableOf(topology.From(users), versions).To(words)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(users).Send("7", "b", time.Unix(100, 0))
	d.Input(users).Send("7", "a", time.Unix(39, 0))
	if tasks := d.Tasks(); tasks[0].Late != 1 {
		t.Errorf("%d late records", tasks[0].Late)
	}
	if row, ok := d.AsOf(versions, "7", time.Unix(60, 0)); ok {
		t.Errorf("found %q", row)
	}
	d.Output(words).ExpectValues("b")
}

// A former row has expired for a join that is the first one after a restart, too.
func TestFormerRowsStayExpiredOverARestart(t *testing.T) {
	topology := stream.NewTopology()
	table := stream.VersionedTableOf(topology.From(users), store.NewVersioned[string]("past", time.Minute))
	topology.From(pages).LeftJoinTable(table, func(page string, user *string) string {
		if user == nil {
			return page
		}
		return page + *user
	}).To(words)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(users).Send("7", "a", time.Unix(0, 0))
	d.Input(users).Send("7", "b", time.Unix(10, 0))
	d.Input(pages).Send("7", "p", time.Unix(9, 0))
	d.Input(users).Send("8", "c", time.Unix(70, 0))
	d.Restart()
	d.Input(pages).Send("7", "p", time.Unix(9, 0))
	d.Output(words).ExpectValues("pa", "p")
}

func TestMistakesOfVersionedTablesAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		build func(t *stream.Topology)
		want  string
	}{
		"no store": {func(t *stream.Topology) {
			stream.VersionedTableOf(t.From(users), nil).To(words)
		}, "the store is nil"},
		"no retention": {func(t *stream.Topology) {
			stream.VersionedTableOf(t.From(users), store.NewVersioned[string]("past", 0)).To(words)
		}, "the retention of versions must be positive"},
		"nothing reads it": {func(t *stream.Topology) {
			stream.VersionedTableOf(t.From(users), store.NewVersioned[string]("past", time.Hour))
		}, "nothing reads this table"},
	} {
		t.Run(name, func(t *testing.T) {
			topology := stream.NewTopology()
			test.build(topology)
			if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), test.want) || strings.Count(err.Error(), "\n") > 1 {
				t.Errorf("%v", err)
			}
		})
	}
}
