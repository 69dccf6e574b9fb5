package testkit_test

import (
	"testing"

	"github.com/weirstreams/weir/testkit"
)

func TestExactlyOnceCrashRepeatsNothing(t *testing.T) {
	for _, loss := range []testkit.Loss{testkit.KeepState, testkit.LoseState} {
		d := testkit.New(t, shops(), testkit.Config{ExactlyOnce: true, Partitions: 2, Workers: 2})
		in, out := d.Input(sales), d.Output(totals)
		in.Send("x", sale{"a", 3}, at(100))
		in.Send("y", sale{"b", 4}, at(200))
		out.Read()
		d.Crash(loss)
		out.ExpectValues()
		in.Send("x", sale{"a", 5}, at(300))
		out.ExpectValues(8)
		d.Restart()
		in.Send("x", sale{"b", 5}, at(300))
		out.ExpectValues(9)
	}
}

func TestExactlyOnceAFailedRecordLeavesNothingBehind(t *testing.T) {
	d := testkit.New(t, shops(), testkit.Config{ExactlyOnce: true})
	in, out := d.Input(sales), d.Output(totals)
	in.Send("x", sale{"a", 3}, at(100))
	out.ExpectValues(3)
	if err := in.TrySendBytes([]byte("x"), []byte("no sale"), at(100)); err == nil {
		t.Fatal("a record that does not decode was processed")
	}
	out.ExpectValues()
}
