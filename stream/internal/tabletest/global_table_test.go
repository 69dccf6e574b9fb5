package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/stream/internal/streamtest"
	"github.com/weirstreams/weir/testkit"
)

// globalJoins are all joins with a global table: each joins a page with the user whose number it is. "none" refers to nobody.
var globalJoins = map[string]func(s textStream, t stream.GlobalTable[string, string]) textStream{
	"JoinGlobal": func(s textStream, t stream.GlobalTable[string, string]) textStream {
		return s.JoinGlobal(t, same, concat)
	},
	"JoinGlobalRecord": func(s textStream, t stream.GlobalTable[string, string]) textStream {
		return s.JoinGlobalRecord(t, tryKey, func(_ context.Context, r textRecord, user string) (string, error) {
			return r.Value + user, failOn(r.Value)
		})
	},
	"LeftJoinGlobal": func(s textStream, t stream.GlobalTable[string, string]) textStream {
		return s.LeftJoinGlobal(t, same, func(page string, user *string) string { return page + orNone(user) })
	},
	"LeftJoinGlobalRecord": func(s textStream, t stream.GlobalTable[string, string]) textStream {
		return s.LeftJoinGlobalRecord(t, tryKey, func(_ context.Context, r textRecord, user *string) (string, error) {
			return r.Value + orNone(user), failOn(r.Value)
		})
	},
}

var errUnlucky = errors.New("unlucky")

func failOn(v string) error {
	if v == "13" {
		return errUnlucky
	}
	return nil
}

func tryKey(_ context.Context, r textRecord) (string, error) {
	switch r.Value {
	case "none":
		return "7", fmt.Errorf("%q: %w", r.Value, stream.ErrNoKey)
	case "14":
		return "", errUnlucky
	}
	return r.Value, nil
}

func orNone(s *string) string {
	if s == nil {
		return " nobody"
	}
	return *s
}

func TestGlobalJoinsFindRowsByTheKeyThatIsDerived(t *testing.T) {
	for name, declare := range globalJoins {
		t.Run(name, func(t *testing.T) {
			topology := stream.NewTopology()
			declare(topology.From(pages), topology.GlobalTable(users)).To(words)
			d := testkit.New(t, topology, testkit.Config{Partitions: 3})
			at := func(i int64) time.Time { return time.Unix(i, 0).UTC() }
			page := func(v string, i int64) testkit.Record[string, string] {
				return testkit.Record[string, string]{Key: "k", Value: v, Time: at(i), Headers: []weir.Header{{Key: "h", Value: []byte(v)}}}
			}
			var want []testkit.Record[string, string]
			send := func(r testkit.Record[string, string], result string) {
				t.Helper()
				d.Input(pages).SendRecords(r)
				if result == "nobody" {
					if !strings.Contains(name, "Left") {
						return
					}
					result = r.Value + " nobody"
				}
				r.Value = result
				want = append(want, r)
			}
			send(page("7", 1), "nobody")
			d.Input(users).Send("7", "Ada", at(9))
			d.Input(users).Send("8", "Alan", at(9))
			send(page("7", 2), "7Ada")
			send(page("8", 3), "8Alan")
			send(page("none", 3), "nobody")
			d.Input(users).SendRecords(testkit.Record[string, string]{Key: "8", ValueNull: true}, testkit.Record[string, string]{KeyNull: true, Value: "x"})
			send(page("8", 4), "nobody")
			d.Input(users).Send("7", "Grace", at(0)) // an earlier time makes no difference
			send(page("7", 5), "7Grace")
			null := page("7", 6)
			null.Key, null.KeyNull = "", true
			d.Checkpoint()
			before := d.Output(words).Read()
			d.Restart()
			send(null, "7Grace")
			d.Checkpoint()
			d.Crash(testkit.LoseState)
			send(page("7", 7), "7Grace")
			got := d.Output(words).Read()
			if len(before) != len(want)-2 || len(got) != len(want) {
				t.Fatalf("%d and %d results, and %d were expected", len(before), len(got), len(want))
			}
			slices.SortFunc(got, func(a, b testkit.Record[string, string]) int { return a.Time.Compare(b.Time) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsOfGlobalJoinsNameTheRecord(t *testing.T) {
	for name, declare := range globalJoins {
		if !strings.HasSuffix(name, "Record") {
			continue
		}
		for _, value := range []string{"13", "14"} {
			topology := stream.NewTopology()
			declare(topology.From(pages), topology.GlobalTable(users)).To(words)
			d := testkit.New(t, topology, testkit.Config{})
			d.Input(users).Send("13", "Ada", time.Unix(0, 0))
			err := d.Input(pages).TrySendRecords(testkit.Record[string, string]{Key: "k", Value: value})
			if !errors.Is(err, errUnlucky) || !strings.Contains(err.Error(), "process pages[0] at offset 0: joinglobal-1 (tabletest/global_table_test.go:") {
				t.Errorf("%s of %s: %v", name, value, err)
			}
		}
	}
}

// A key that can be null says with a null that there is no row.
func TestANullKeyFindsNoRow(t *testing.T) {
	named := stream.NewTopic("named", codec.Nullable(codec.String()), codec.String())
	topology := stream.NewTopology()
	topology.From(pages).LeftJoinGlobal(topology.GlobalTable(named), func(page string) *string {
		if page == "none" {
			return nil
		}
		return &page
	}, func(page string, user *string) string { return page + orNone(user) }).To(words)
	d := testkit.New(t, topology, testkit.Config{})
	key := "7"
	d.Input(named).Send(&key, "Ada", time.Unix(0, 0))
	d.Input(named).SendRecords(testkit.Record[*string, string]{KeyNull: true, Value: "nobody"})
	d.Input(pages).Send("k", "7", time.Unix(0, 0))
	d.Input(pages).Send("k", "none", time.Unix(0, 0))
	d.Output(words).ExpectValues("7Ada", "none nobody")
}

// What a topology writes to the topic of a global table is in the table after a while, and a table can be joined by several streams.
func TestATopologyCanWriteItsGlobalTable(t *testing.T) {
	topology := stream.NewTopology()
	table := topology.GlobalTable(users)
	topology.From(cities).Map(func(v string) string { return "from " + v }).To(users)
	joined := topology.From(pages).JoinGlobal(table, same, concat)
	joined.GroupBy("g", same).JoinGlobal(table, func(string) string { return "7" }, concat).To(words)
	d := testkit.New(t, topology, testkit.Config{ExactlyOnce: true})
	d.Input(cities).Send("7", "London", time.Unix(0, 0))
	d.Input(pages).Send("k", "7", time.Unix(0, 0))
	d.Output(words).ExpectValues("7from Londonfrom London")
}

func TestMistakesWithGlobalTablesAreFound(t *testing.T) {
	other := stream.NewTopology()
	topology := stream.NewTopology()
	topology.GlobalTable(users)
	twice := topology.GlobalTable(users)
	s := topology.From(pages)
	s.JoinGlobal(twice, nil, concat)
	s.LeftJoinGlobal(other.GlobalTable(cities), same, func(page string, city *string) string { return page + orNone(city) })
	s.JoinGlobal(topology.GlobalTable(stream.NewTopic[string, string]("a b", nil, codec.String())), same, concat)
	s.JoinGlobal(stream.GlobalTable[string, string]{}, same, concat)
	var got []string
	err, _ := topology.Validate().(*stream.ValidationError)
	if err == nil {
		t.Fatal("no findings")
	}
	for _, f := range err.Findings {
		got = append(got, f.Node+": "+streamtest.WithoutLines(f.Problem))
	}
	want := []string{
		"joinglobal-1: the function is nil",
		"joinglobal-2: a global table of another topology cannot be joined",
		`globaltable a b: topic "a b": the character at 1 is not a letter, digit, '.', '_' or '-'`,
		`globaltable a b: topic "a b" has no key codec`,
		"joinglobal-4: a global table of another topology cannot be joined",
		`globaltable users: topic "users" is a global table already, declared at tabletest/global_table_test.go:LINE: use that table again`,
		"globaltable users: no join uses this global table: join it, or do not declare it", // the first of the two
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	alone := stream.NewTopology()
	alone.GlobalTable(users)
	if err := alone.Validate(); err == nil || !strings.Contains(err.Error(), "reads no topic") {
		t.Errorf("a global table alone: %v", err)
	}
}

func withGlobals() *stream.Topology {
	t := stream.NewTopology()
	table, also := t.GlobalTable(users), t.GlobalTable(cities)
	s := t.From(pages).JoinGlobal(table, same, concat).GroupBy("g", same)
	s.JoinGlobal(also, same, concat).JoinGlobal(table, same, concat).MapState(cellHandle, first).To(words)
	return t
}

func TestGlobalTablesAreShown(t *testing.T) {
	topology := withGlobals()
	for name, got := range map[string]string{
		"describe": topology.Describe(), "mermaid": topology.Mermaid(), "dot": topology.DOT(),
	} {
		streamtest.Golden(t, name+"_globals.txt", streamtest.WithoutLines(got))
	}
	inventory := topology.Inventory()
	if diff := cmp.Diff([]string{"cities", "users"}, inventory.Globals); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	without := stream.NewTopology()
	without.From(pages).GroupBy("g", same).MapState(cellHandle, first).To(words)
	if without.Fingerprint() == topology.Fingerprint() {
		t.Error("global tables are not in the fingerprint")
	}
	if changes := stream.Diff(without.Inventory(), inventory); len(changes) > 0 {
		t.Errorf("global tables change state: %v", changes)
	}
}
