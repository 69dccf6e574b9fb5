package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestTheServiceIsReadyMeasuredAndPaused(t *testing.T) {
	localtest.Expect(t, "service", program, want)
}

const want = `GET /readyz as expected
GET /metrics as expected
POST /pause?topic=sales&reason=stocktaking 401 the token is missing or wrong
POST /pause?topic=sales&reason=stocktaking 200
GET /status as expected
POST /resume?topic=sales 200
GET /status as expected
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "service", topology()) }
