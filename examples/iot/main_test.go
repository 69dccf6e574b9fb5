package main

import (
	"context"
	"testing"
	"time"

	"github.com/weirstreams/weir/examples/internal/localtest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func TestSitesHaveMeans(t *testing.T) { localtest.Expect(t, "iot", program, want) }

const want = `hall: 19.0 degrees in minute 0
hall: 21.0 degrees in minute 1
oven: 202.0 degrees in minute 0
oven: 210.5 degrees in minute 1
`

func TestAnUnknownSensorGoesToATopicOfItsOwn(t *testing.T) {
	p, err := newPlant()
	if err != nil {
		t.Fatal(err)
	}
	var kept stream.Collector[string, Mean]
	nothing := join.LookupFunc[string, Sensor](func(context.Context, []string, []*Sensor) error { return nil })
	d := testkit.New(t, p.topology(nothing, &kept), testkit.Config{})
	d.Input(p.readings).Send("s9", Reading{7}, time.Unix(0, 0))
	d.Output(p.unknown).ExpectValues(7)
	d.Output(p.means).ExpectValues()
}

func TestThePictureOfTheDocumentation(t *testing.T) {
	p, err := newPlant()
	if err != nil {
		t.Fatal(err)
	}
	localtest.Picture(t, "iot", p.topology(nil, nil))
}
