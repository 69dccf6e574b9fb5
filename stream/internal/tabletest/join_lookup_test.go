package tabletest_test

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
	unknown := join.LookupFunc[string, string](func(context.Context, []string, []*string) error { return nil })
	topology := stream.NewTopology()
	s := topology.From(pages)
	s.JoinLookup(join.Lookup[string, string](nil), same, concat)
	s.JoinLookup[string, string, string](unknown, nil, nil)
	err := topology.Validate()
	for _, want := range []string{"the lookup is nil", "the function is nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
