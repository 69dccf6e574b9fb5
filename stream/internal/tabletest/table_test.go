package tabletest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A row that was deleted stays so, and one that was set is found, after a restart and after a loss of all state.
func TestRowsSurviveRestarts(t *testing.T) {
	topology := stream.NewTopology()
	topology.From(pages).LeftJoinTable(topology.Table(users), func(click string, user *string) string {
		if user == nil {
			return click + " nobody"
		}
		return click + " " + *user
	}).To(words)
	d := testkit.New(t, topology, testkit.Config{})
	d.Input(pages).SendRecords(testkit.Record[string, string]{KeyNull: true, Value: "x"})
	at := func(i int64) time.Time { return time.Unix(i, 0) }
	d.Input(users).SendRecords(
		testkit.Record[string, string]{Key: "k", Value: "a", Time: at(2)},
		testkit.Record[string, string]{Key: "k", ValueNull: true, Time: at(4)},
	)
	d.Restart()
	d.Input(pages).SendRecords(testkit.Record[string, string]{Key: "k", Value: "5", Time: at(5)})
	d.Input(users).Send("k", "b", at(6))
	d.Crash(testkit.LoseState)
	d.Input(pages).SendRecords(testkit.Record[string, string]{Key: "k", Value: "7", Time: at(7)}, testkit.Record[string, string]{Key: "j", Value: "8", Time: at(8)})
	values := d.Output(words).Values()
	if diff := cmp.Diff([]string{"7 b", "8 nobody"}, values[len(values)-2:]); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if values[0] != "5 nobody" {
		t.Errorf("the first result is %q", values[0])
	}
}

func TestATableCannotBeJoinedWithItself(t *testing.T) {
	topology := stream.NewTopology()
	a := topology.Table(users)
	b := a.Join(topology.Table(cities), concat)
	b.Join(a, concat).To(words)
	err, _ := topology.Validate().(*stream.ValidationError)
	if err == nil || len(err.Findings) != 1 || err.Findings[0].Problem[:42] != "both sides are made of the same table: a c" {
		t.Errorf("findings: %v", err)
	}
}
