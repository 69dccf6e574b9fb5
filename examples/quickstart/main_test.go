package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestWordsAreSplitAndMeasured(t *testing.T) { localtest.Expect(t, "quickstart", program, want) }

const want = `{"value":{"word":"Rivers","length":6}}
{"value":{"word":"bend","length":4}}
{"value":{"word":"weirs","length":5}}
{"value":{"word":"hold","length":4}}
{"value":{"word":"water","length":5}}
{"value":{"word":"back","length":4}}
{"value":{"word":"topic","length":5}}
{"value":{"word":"records","length":7}}
{"value":{"word":"Streams","length":7}}
{"value":{"word":"never","length":5}}
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "quickstart", topology(nil))
}
