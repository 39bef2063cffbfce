//! Nothing that a server does lasts for ever or fills the disk; and what is asked of it besides files.

use super::*;

/// A server that answers every request by `head`, and then by `more` again and again.
async fn endless(head: &'static [u8], more: &'static [u8], pause: Duration) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *count.lock().unwrap() += 1;
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let mut sent = stream.write_all(head).await;
                while sent.is_ok() {
                    tokio::time::sleep(pause).await;
                    sent = stream.write_all(more).await;
                }
            });
        }
    });
    (url, asked)
}

const OPEN: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_trickling_body_is_left_for_the_next_place() {
    let (url, asked) = endless(OPEN, b"x", Duration::from_millis(20)).await;
    let honest = Server::start(vec![whole(CONTENT)]).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let mut slow = FetchOptions { mirrors: vec![url], ..options(SignatureMode::Enforce) };
    slow.patience.least_rate = 1000;
    project.fetch(&[project.wanted(Some(format!("{}/demo.tar", honest.url)))], &slow).await.unwrap();
    assert_eq!((*asked.lock().unwrap(), honest.asked().len()), (2, 1), "each of its two places was asked once");
    let none = FetchOptions { mirrors: slow.mirrors.clone(), ..slow };
    std::fs::remove_dir_all(project.path("cache")).unwrap();
    let told = project.fetch(&[project.wanted(None)], &none).await.unwrap_err().to_string();
    assert!(told.contains("which is less than 1000 a second"), "{told}");
}

#[tokio::test]
async fn a_trickling_head_ends() {
    let (url, _) = endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", Duration::from_millis(20)).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let mut hasty = options(SignatureMode::Enforce);
    hasty.patience.connect = Duration::from_millis(200);
    hasty.patience.stall = Duration::from_millis(200);
    let wanted = project.wanted(Some(format!("{url}/demo.tar")));
    let told = project.fetch(&[wanted], &hasty).await.unwrap_err().to_string();
    assert!(told.contains("/demo.tar: no answer in time"), "{told}");
}

#[tokio::test]
async fn a_body_has_a_bound_whatever_its_head_says() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    const HUGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\nConnection: close\r\n\r\n";
    let folder = tempfile::tempdir().unwrap();
    let web = Web::new(folder.path().to_owned(), &WebAccess::default(), Patience::default(), &|_| {}).unwrap();
    for (head, more) in [(OPEN, &b"xxxxxxxx"[..]), (CHUNKED, b"8\r\nxxxxxxxx\r\n"), (HUGE, b"")] {
        let (url, asked) = endless(head, more, Duration::ZERO).await;
        let told = web.fetch(&format!("{url}/a"), None, 100_000).await.unwrap_err().to_string();
        assert!(told.contains("has more than the 100000 bytes that it may have"), "{told}");
        assert_eq!(*asked.lock().unwrap(), 1);
    }
    assert_eq!(std::fs::read_dir(folder.path().join("parts")).unwrap().count(), 0);
}

#[tokio::test]
async fn whether_a_file_can_be_had_is_asked_without_downloading_it() {
    let answers = ["200 OK", "404 Not Found", "405 Method Not Allowed", "200 OK", "503 Service Unavailable", "200 OK"];
    let server = Server::start(answers.map(status).into()).await;
    let project = Project::new();
    project.sign_as(CONTENT);
    let wanted = project.wanted(Some(format!("{}/demo.tar", server.url)));
    let lost = async || {
        let report = |event| project.events.lock().unwrap().push(event);
        let wanted = std::slice::from_ref(&wanted);
        missing(wanted, &options(SignatureMode::Enforce), &project.layout(), &report).await.unwrap().len()
    };
    assert_eq!([lost().await, lost().await, lost().await, lost().await], [0, 1, 0, 0]);
    let methods: Vec<String> =
        server.asked().iter().map(|request| request.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(methods, ["HEAD", "HEAD", "HEAD", "GET", "HEAD", "GET"]);
    assert!(project.cached().is_empty(), "{:?}", project.cached());
}
