package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// owners is a database that knows who owns which gate.
var owners = join.LookupFunc[string, string](func(_ context.Context, gates []string, found []*string) error {
	for i, gate := range gates {
		if gate == "north" {
			owner := "Ada"
			found[i] = &owner
		}
	}
	return nil
})

// pass prints what a topology makes of two gates, of which one has an owner.
func pass(t *stream.Topology) { meet(t, "1 gate north", "2 gate south") }

func ExampleStream_JoinLookup() {
	t := stream.NewTopology()
	cached := join.Cached(owners, join.CacheConfig{Size: 10_000, TTL: 5 * time.Minute})
	t.From(gates).JoinLookup(cached,
		func(gate string) string { return gate },
		func(gate, owner string) string { return gate + " of " + owner },
	).To(words)

	pass(t)
	// Output: 1 north of Ada
}

func ExampleStream_JoinLookupRecord() {
	t := stream.NewTopology()
	t.From(gates).JoinLookupRecord(owners,
		func(_ context.Context, r lineRecord) (string, error) { return r.Value, nil },
		func(_ context.Context, r lineRecord, owner string) (string, error) {
			return r.Key + ": " + r.Value + " of " + owner, nil
		},
	).To(words)

	pass(t)
	// Output: 1 k: north of Ada
}

func ExampleStream_LeftJoinLookup() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinLookup(owners,
		func(gate string) string { return gate },
		func(gate string, owner *string) string { return gate + " of " + orNothing(owner) },
	).To(words)

	pass(t)
	// Output:
	// 1 north of Ada
	// 2 south of nothing
}

func ExampleStream_LeftJoinLookupRecord() {
	t := stream.NewTopology()
	t.From(gates).LeftJoinLookupRecord(owners,
		func(_ context.Context, r lineRecord) (string, error) { return r.Value, nil },
		func(_ context.Context, r lineRecord, owner *string) (string, error) {
			return fmt.Sprint(r.Value, " has an owner: ", owner != nil), nil
		},
	).To(words)

	pass(t)
	// Output:
	// 1 north has an owner: true
	// 2 south has an owner: false
}

// lookupJoins are all lookup joins. Each looks up the value, and puts what it finds behind it.
var lookupJoins = map[string]func(s textStream, l join.Lookup[string, string]) textStream{
	"JoinLookup": func(s textStream, l join.Lookup[string, string]) textStream { return s.JoinLookup(l, same, concat) },
	"JoinLookupRecord": func(s textStream, l join.Lookup[string, string]) textStream {
		return s.JoinLookupRecord(l, tryLookup, func(_ context.Context, r textRecord, row string) (string, error) {
			return r.Value + row, failOn(r.Value)
		})
	},
	"LeftJoinLookup": func(s textStream, l join.Lookup[string, string]) textStream {
		return s.LeftJoinLookup(l, same, func(v string, row *string) string { return v + orNone(row) })
	},
	"LeftJoinLookupRecord": func(s textStream, l join.Lookup[string, string]) textStream {
		return s.LeftJoinLookupRecord(l, tryLookup, func(_ context.Context, r textRecord, row *string) (string, error) {
			return r.Value + orNone(row), failOn(r.Value)
		})
	},
}

// tryLookup fails for a value that the lookup is not asked for.
func tryLookup(_ context.Context, r textRecord) (string, error) {
	if r.Value == "13" {
		return "", errUnlucky
	}
	return r.Value, nil
}

// L-1, L-3, L-5. Key, time and headers are those of the record. A null key is one like others, and what fails is skipped.
func TestLookupJoins(t *testing.T) {
	capitals := join.LookupFunc[string, string](func(_ context.Context, queries []string, found []*string) error {
		for i, q := range queries {
			if q == "broken" {
				return errors.New("broken")
			}
			if row := "=" + strings.ToUpper(q); q != "unknown" {
				found[i] = &row
			}
		}
		return nil
	})
	for name, declare := range lookupJoins {
		t.Run(name, func(t *testing.T) {
			topology := stream.NewTopology()
			declare(topology.From(pages), capitals).To(words)
			d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
			in := d.Input(pages)
			in.SendRecords(
				record{Key: "k", Value: "a", Time: time.UnixMilli(5)}, record{KeyNull: true, Value: "b", Time: time.UnixMilli(6)},
				record{Key: "k", Value: "broken", Time: time.UnixMilli(7)}, record{Key: "k", Value: "unknown", Time: time.UnixMilli(8)},
				record{Key: "k", Value: "c", Time: time.UnixMilli(9)},
			)
			var got []string
			for _, r := range d.Output(words).Read() {
				got = append(got, fmt.Sprint(r.Key, r.KeyNull, r.Value, r.Time.UnixMilli()))
			}
			want := []string{"kfalsea=A5", "trueb=B6", "kfalsec=C9"}
			if strings.Contains(name, "Left") {
				want = []string{"kfalsea=A5", "trueb=B6", "kfalseunknown" + orNone(nil) + "8", "kfalsec=C9"}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			var skipped int64
			for _, task := range d.Tasks() {
				skipped += task.Skipped
			}
			if skipped != 1 {
				t.Errorf("%d records are skipped, want 1", skipped)
			}
		})
	}
}

func TestLookupJoinsAreChecked(t *testing.T) {
	topology := stream.NewTopology()
	s := topology.From(pages)
	s.JoinLookup(join.Lookup[string, string](nil), same, concat)
	s.JoinLookup[string, string, string](owners, nil, nil)
	err := topology.Validate()
	for _, want := range []string{"the lookup is nil", "the function is nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
