package main

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/examples/internal/localtest"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// Card 3333 takes two hours from one country to the other.
func TestCardsAreReported(t *testing.T) { localtest.Expect(t, "fraud", program, want) }

const want = `card 1111: more than three payments in the minute of 12:00
card 2222: in BR, 9m55s from a payment in AT
`

// Records of one card may be out of order. The later place stays the last one.
func TestALatePaymentIsComparedToo(t *testing.T) {
	var kept stream.Collector[string, string]
	d := testkit.New(t, topology(&kept), testkit.Config{})
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d.Input(payments).Send("a", Payment{Card: "1", Country: "AT"}, noon.Add(30*time.Minute))
	d.Input(payments).Send("b", Payment{Card: "1", Country: "FR"}, noon.Add(20*time.Minute))
	d.Input(payments).Send("a", Payment{Card: "1", Country: "AT"}, noon.Add(40*time.Minute))
	d.Output(alerts).ExpectValues("in FR, 10m0s from a payment in AT")
}

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "fraud", topology(nil)) }
