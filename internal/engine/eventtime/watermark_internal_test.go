package eventtime

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/changelog"
)

func TestWatermarkRecordsAreReadAsTheyWereWritten(t *testing.T) {
	for _, want := range []watermark{
		{},
		{partition: 3, tasks: 7, owner: changelog.NewEpoch(1, 2, time.UnixMilli(3)), millis: 1_700_000_000_000},
		{partition: 300, tasks: 301, millis: NoWatermark},
		{tasks: 1, millis: -5},
	} {
		r := want.record(17)
		got, err := readWatermark(r.Value)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(watermark{})); diff != "" || err != nil {
			t.Errorf("(-want +got):\n%s%v", diff, err)
		}
		if !IsWatermark(r) || r.Millis != 17 {
			t.Errorf("%+v is taken for a record of the program", r)
		}
		for n := range len(r.Value) {
			if m, err := readWatermark(r.Value[:n]); err == nil {
				t.Errorf("%d of %d bytes are read as %+v", n, len(r.Value), m)
			}
		}
	}
	for _, r := range []broker.Record{
		{},
		{Key: []byte(watermarkKey)},
		{Headers: []weir.Header{{Key: watermarkHeader}}},
		{Key: []byte(watermarkKey), Headers: []weir.Header{{Key: watermarkHeader}, {Key: "more"}}},
	} {
		if IsWatermark(&r) {
			t.Errorf("%+v is taken for a watermark", r)
		}
	}
}

func FuzzReadWatermark(f *testing.F) {
	m := watermark{partition: 3, tasks: 7, owner: changelog.NewEpoch(1, 2, time.UnixMilli(3)), millis: 5}
	f.Add(m.record(0).Value)
	f.Add([]byte{watermarkVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, value []byte) {
		m, err := readWatermark(value)
		if err == nil && (m.partition < 0 || m.partition >= maxUpstreamTasks || m.tasks < 0 || m.tasks > maxUpstreamTasks) {
			t.Errorf("%x is read as %+v", value, m)
		}
	})
}

// Time goes on to the least of what all tasks upstream have said last, and not before all of them have spoken.
func TestUpstreamTasksSpeakForThemselves(t *testing.T) {
	const timeout = time.Minute
	now := time.UnixMilli(1_000_000)
	first, second := changelog.NewEpoch(0, 1, now), changelog.NewEpoch(0, 2, now)
	u := NewUpstream(2)
	offset := int64(0)
	say := func(partition int32, owner changelog.Epoch, millis, want int64) {
		t.Helper()
		u.Pending = append(u.Pending, pendingWatermark{offset, watermark{partition: partition, tasks: 2, owner: owner, millis: millis}})
		before := u.watermark()
		if u.pass(offset, now, timeout) || u.watermark() != before {
			t.Errorf("a watermark counts before the records in front of it were processed")
		}
		offset++
		if !u.pass(offset, now, timeout) {
			t.Errorf("a watermark does not count although the position is behind it")
		}
		if got := u.watermark(); got != want {
			t.Errorf("%d is reached, want %d", got, want)
		}
	}
	say(0, first, 100, NoWatermark) // the other has not spoken
	say(1, first, 50, 50)
	say(1, first, 200, 100)
	say(0, first, 70, 70) // old records have come
	say(0, second, 60, 60)
	say(0, first, 900, 60) // a zombie
	say(0, second, NoWatermark, NoWatermark)
	say(0, second, 150, 150)
	now = now.Add(silentOwner * timeout)
	say(0, first, 900, 150)
	now = now.Add(time.Millisecond)
	say(0, first, 180, 180)  // the group counts from 1 again
	say(2, second, 170, 170) // partitions were added
	say(1, second, NoWatermark, NoWatermark)
	u.Forget()
	if got := u.watermark(); got != NoWatermark {
		t.Errorf("%d is reached after going back", got)
	}
}
