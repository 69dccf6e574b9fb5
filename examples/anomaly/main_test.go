package main

import (
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
)

func TestOneAlertForAMachineThatStaysHot(t *testing.T) { localtest.Expect(t, "anomaly", program, want) }

const want = `press is too hot: 100 degrees on average, from second 18 on
`

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "anomaly", topology(nil)) }
