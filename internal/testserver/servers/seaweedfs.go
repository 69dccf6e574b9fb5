//go:build unix

package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/testserver/fetch"
	"github.com/weirstreams/weir/internal/testserver/server"
)

// SeaweedFS is a store of objects that speaks the API of S3. It has one bucket, for tables of Iceberg: tests of other packages make namespaces there. Tests that need
// other buckets make them, at most some tens, because each has volumes of its own.
var SeaweedFS = server.Server{
	Name:  "seaweedfs",
	About: "SeaweedFS 4.48, a store with the API of S3 (Python 3.9, pip)",
	Variables: []string{
		"WEIR_TEST_S3: its address; access key weir, secret key " + s3Secret,
		"WEIR_TEST_ICEBERG: address of its catalog of Iceberg tables, with the same credentials",
		"WEIR_TEST_ICEBERG_WAREHOUSE: a warehouse of that catalog, without a namespace",
	},
	Sources: []fetch.Source{seaweedProgram},
	Start: func(ctx context.Context, i *server.Instance) error {
		home, err := i.Fetch(ctx, seaweedProgram)
		if err != nil {
			return err
		}
		ports := make([]string, 5)
		for n := range ports {
			port, err := i.Port(ctx)
			if err != nil {
				return err
			}
			ports[n] = strconv.Itoa(port)
		}
		identities, err := i.Write("s3.json", fmt.Sprintf(`{"identities":[
			{"name":"weir","credentials":[{"accessKey":"weir","secretKey":%q}],"actions":["Admin","Read","Write","List","Tagging"]},
			{"name":"reader","credentials":[{"accessKey":"reader","secretKey":%q}],"actions":["Read","List"]}
		]}`, s3Secret, s3Secret))
		if err != nil {
			return err
		}
		data := filepath.Join(i.Dir, "data")
		if err := os.Mkdir(data, 0o755); err != nil {
			return err
		}
		address := "http://127.0.0.1:" + ports[0]
		_, err = i.Start(ctx, server.Command{Name: "weed", Args: []string{
			filepath.Join(home, "bin", "weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=" + data,
			"-s3", "-s3.port=" + ports[0], "-s3.config=" + identities, "-s3.port.iceberg=" + ports[4], "-s3.port.lance=0", "-master.port=" + ports[1], "-volume.port=" + ports[2],
			"-filer", "-filer.port=" + ports[3], "-volume.max=200", "-volume.minFreeSpace=100MiB", "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
		}}, all(server.Answers(address+"/healthz"), server.Answers("http://127.0.0.1:"+ports[4]+"/v1/config"), server.Answers("http://127.0.0.1:"+ports[1]+"/dir/assign?count=1")))
		if err != nil {
			return err
		}
		if err := i.Run(ctx, server.Command{Name: "weed-shell", Args: []string{
			"sh", "-c", `echo "s3tables.bucket -create -name weir-tables -account weir" | "$0" shell -master=127.0.0.1:"$1" -filer=127.0.0.1:"$2"`,
			filepath.Join(home, "bin", "weed"), ports[1], ports[3],
		}}); err != nil {
			return err
		}
		if said, err := i.Output("weed-shell"); err != nil || !bytes.Contains(said, []byte("ARN: ")) { // the shell ends with 0 after an error, too
			return errors.Join(fmt.Errorf("make the bucket for tables: %s", said), err)
		}
		i.Export("WEIR_TEST_S3", address)
		i.Export("WEIR_TEST_ICEBERG", "http://127.0.0.1:"+ports[4])
		i.Export("WEIR_TEST_ICEBERG_WAREHOUSE", "s3://weir-tables/")
		i.Say("SeaweedFS ready at %s", address)
		return nil
	},
}

const s3Secret = "weir-s3-secret"

// all is ready when all others are.
func all(others ...server.Ready) server.Ready {
	return func(ctx context.Context, output []byte) bool {
		for _, ready := range others {
			if !ready(ctx, output) {
				return false
			}
		}
		return true
	}
}
