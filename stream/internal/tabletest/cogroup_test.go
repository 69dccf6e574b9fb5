package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var errRefused = errors.New("refused")

// folded is the table of the pages and users of a key, in the order of arrival: "end" deletes the row, and "bad" fails.
func folded(t *stream.Topology) stream.Table[string, *string] {
	add := func(kind string, row *string, value string) *string {
		if value == "end" {
			return nil
		}
		if row == nil {
			row = new(string)
		}
		next := *row + kind + value
		return &next
	}
	return stream.Cogroup("both",
		stream.Fold(t.From(pages), func(row *string, page string) *string { return add(" p:", row, page) }),
		stream.FoldRecord(t.From(users), func(_ context.Context, row *string, r weir.Record[string, string]) (*string, error) {
			if r.Value == "bad" {
				return nil, errRefused
			}
			return add(" u:", row, r.Value), nil
		}))
}

// A cogroup is the fold of its streams, record by record, also over restarts and losses of state.
func TestACogroupIsTheFoldOfItsStreams(t *testing.T) {
	longtest.Seeds(t, 20, func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		topology := stream.NewTopology()
		table := folded(topology)
		table.Map(func(_ string, row *string) string { return *row }).To(words)
		topology.From(cities).LeftJoinTable(table, func(city string, row **string) string {
			if row == nil {
				return city
			}
			return city + **row
		}).To(topic("joined"))
		skip := weir.ErrorPolicy{Action: weir.Skip}
		d := testkit.New(t, topology, testkit.Config{ExactlyOnce: true, Partitions: 1 + random.Int32N(3), Errors: skip})
		rows, changes, joined := map[string]string{}, map[string][]string{}, map[string][]string{}
		for i := range 60 {
			key, at := fmt.Sprint(random.IntN(4)), time.Unix(int64(i), 0)
			value := []string{"end", "bad", "null", fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint(i)}[random.IntN(6)]
			switch side := random.IntN(5); {
			case side == 4:
				d.Input(cities).Send(key, "c", at)
				joined[key] = append(joined[key], "c"+rows[key])
			case value == "null":
				d.Input(pages).SendRecords(testkit.Record[string, string]{Key: key, ValueNull: true, Time: at})
			case side < 2:
				d.Input(pages).Send(key, value, at)
				change(rows, changes, key, " p:", value)
			default:
				d.Input(users).Send(key, value, at)
				if value != "bad" {
					change(rows, changes, key, " u:", value)
				}
			}
			switch random.IntN(20) {
			case 0:
				d.Restart()
			case 1:
				d.Crash(testkit.LoseState)
			}
		}
		for name, want := range map[string]map[string][]string{"words": changes, "joined": joined} {
			got := map[string][]string{}
			for _, r := range d.Output(topic(name)).Read() {
				got[r.Key] = append(got[r.Key], r.Value)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: results (-want +got):\n%s", seed, diff)
			}
		}
		if len(changes) == 0 {
			t.Fatal("nothing has changed")
		}
	})
}

// change is the model of a record of a cogroup.
func change(rows map[string]string, changes map[string][]string, key, kind, value string) {
	_, there := rows[key]
	if value == "end" {
		delete(rows, key)
		if there {
			changes[key] = append(changes[key], "")
		}
		return
	}
	rows[key] += kind + value
	changes[key] = append(changes[key], rows[key])
}

func TestMistakesOfCogroupsAreFound(t *testing.T) {
	count := func(n int, _ string) int { return n + 1 }
	for name, test := range map[string]struct {
		build func(t *stream.Topology)
		want  string
	}{
		"no function": {func(t *stream.Topology) {
			stream.Cogroup("c", stream.Fold[string, string, int](t.From(pages), nil)).Stream().Print(stream.PrintOptions{})
		}, "the function is nil"},
		"nothing reads the table": {func(t *stream.Topology) {
			stream.Cogroup("c", stream.Fold(t.From(pages), count))
		}, "nothing reads this table"},
		"a fold without a cogroup": {func(t *stream.Topology) {
			stream.Fold(t.From(pages), count)
		}, "nothing reads this stream"},
		"a stream of another topology": {func(t *stream.Topology) {
			stream.Cogroup("c", stream.Fold(t.From(pages), count), stream.Fold(stream.NewTopology().From(users), count)).Stream().Print(stream.PrintOptions{})
		}, "of another topology"},
		"a fold of two cogroups": {func(t *stream.Topology) {
			part := stream.Fold(t.From(pages), count)
			stream.Cogroup("c", part).Stream().Print(stream.PrintOptions{})
			stream.Cogroup("d", part).Stream().Print(stream.PrintOptions{})
		}, "folded into a table already"},
		"a changed key": {func(t *stream.Topology) {
			stream.Cogroup("c", stream.Fold(t.From(pages).MapKey(same), count)).Stream().Print(stream.PrintOptions{})
		}, "the key is changed"},
		"no name": {func(t *stream.Topology) {
			stream.Cogroup("", stream.Fold(t.From(pages), count)).Stream().Print(stream.PrintOptions{})
		}, "name of the store"},
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
