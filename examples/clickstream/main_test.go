package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestVisitsEndWhenAVisitorIsSilent(t *testing.T) {
	localtest.Expect(t, "clickstream", program, want)
}

const want = `ann: 1 clicks in 0s, from / on
ann: 3 clicks in 25m0s, from / on
bob: 1 clicks in 0s, from /sale on
bob: 2 clicks in 1m0s, from /sale on
cat: 1 clicks in 0s, from / on
dan: 1 clicks in 0s, from /help on
3 visits began at /
1 visits began at /help
2 visits began at /sale
most began at: [{/ 3} {/sale 2}]
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "clickstream", topology(nil, nil, nil))
}
