// Load for DTM's two-phase messages: so many callers, each of them with one message under way, and the endpoint that DTM
// delivers to. A caller prepares (its local transaction, which would follow, is empty here), submits, and goes on when the
// message has been delivered.
//
// It prints a line of JSON when the window opens, one when it closes, and the figures at its end.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const drainMax = 30 * time.Second

type settings struct {
	dtm      string
	inFlight int
	warmUp   time.Duration
	window   time.Duration
	body     int
}

func main() {
	var s settings
	flag.StringVar(&s.dtm, "dtm", "http://127.0.0.1:36789", "where DTM listens")
	flag.IntVar(&s.inFlight, "in-flight", 128, "callers, each with one message under way")
	flag.DurationVar(&s.warmUp, "warm-up", 4*time.Second, "load before the window")
	flag.DurationVar(&s.window, "window", 10*time.Second, "load that is measured")
	flag.IntVar(&s.body, "body", 256, "bytes of a message's body")
	flag.Parse()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	book := newLedger()
	receiver := newReceiver(book)
	go func() { log.Fatal(http.Serve(listener, receiver)) }()
	run(s, book, "http://"+listener.Addr().String())
}

func run(s settings, book *ledger, receiverURL string) {
	client := &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: s.inFlight, DisableCompression: true},
	}
	var halted atomic.Bool
	var callers sync.WaitGroup
	for range s.inFlight {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for !halted.Load() {
				if err := transact(client, s, book, receiverURL); err != nil {
					book.failed(err)
				}
			}
		}()
	}
	time.Sleep(s.warmUp)
	book.open()
	tell(event{"opened"})
	time.Sleep(s.window)
	book.close()
	tell(event{"closed"})
	halted.Store(true)
	callers.Wait()
	tell(book.figures())
}

// transact sends one message and waits for its delivery.
func transact(client *http.Client, s settings, book *ledger, receiverURL string) error {
	gid, delivered := book.begin()
	prefix := fmt.Sprintf(`{"gid":"%s","p":"`, gid)
	message, err := json.Marshal(map[string]any{
		"gid":            gid,
		"trans_type":     "msg",
		"query_prepared": receiverURL + "/check",
		"steps":          []map[string]string{{"action": receiverURL + "/deliver"}},
		"payloads":       []string{prefix + strings.Repeat("x", s.body-len(prefix)-2) + `"}`},
	})
	if err != nil {
		return err
	}
	if err := post(client, s.dtm+"/api/dtmsvr/prepare", message); err != nil {
		return err
	}
	book.submitting(gid)
	if err := post(client, s.dtm+"/api/dtmsvr/submit", message); err != nil {
		return err
	}
	book.submitted(gid)
	select {
	case <-delivered:
	case <-time.After(drainMax):
		return fmt.Errorf("%s was not delivered within %s", gid, drainMax)
	}
	return nil
}

func post(client *http.Client, url string, body []byte) error {
	response, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", url, response.StatusCode, answer)
	}
	return nil
}

// newReceiver answers DTM's deliveries, and its questions how a transaction has ended.
func newReceiver(book *ledger) http.Handler {
	success := []byte(`{"dtm_result":"SUCCESS"}`)
	routes := http.NewServeMux()
	routes.HandleFunc("/deliver", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			book.failed(err)
			return
		}
		book.received(r.URL.Query().Get("gid"))
		_, _ = w.Write(success) // where DTM has gone away, it delivers again
	})
	routes.HandleFunc("/check", func(w http.ResponseWriter, r *http.Request) {
		book.checked()
		_, _ = w.Write(success) // as above
	})
	return routes
}

// event is a line that says no more than that something happened.
type event struct {
	Event string `json:"event"`
}

// tell prints one line of JSON.
func tell(line any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		log.Fatal(err)
	}
}
