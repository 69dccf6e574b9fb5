package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestABadRecordIsReplayedToAMendedProgram(t *testing.T) {
	localtest.Expect(t, "deadletters", program, want)
}

const want = `ann: 300 cents
cat: 108 cents
letter of bob: 2 JPY, map-1 failed: no rate for "JPY"
letter of dan: 9 CHF, map-1 failed: no rate for "CHF"
replayed 1, passed over 1
bob: 2 cents
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "deadletters", topology(nil, nil))
}
