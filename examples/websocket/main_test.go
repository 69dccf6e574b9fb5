package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestSpreadsAreWrittenWhenTheyChange(t *testing.T) {
	localtest.Expect(t, "websocket", program, want)
}

const want = `{"value":{"product":"WATER-EUR","spread":0.5}}
{"value":{"product":"STEEL-EUR","spread":2}}
{"value":{"product":"WATER-EUR","spread":0.25}}
{"value":{"product":"STEEL-EUR","spread":3}}
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "websocket", topology("", nil))
}
