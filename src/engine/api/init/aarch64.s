// The first program of a container (see ../init.rs), for Linux on AArch64.
// x20: argc's place, x21: environment, x22: candidates, x23: the program's arguments, [sp..sp+296]: the record.
    mov x20, sp
    add x21, x20, #24               // after argc, argv[0] and the token
    mov x0, x21
2:  ldr x1, [x0], #8                // the first empty string ends the environment
    ldrb w2, [x1]
    cbnz w2, 2b
    str xzr, [x0, #-8]
    mov x22, x0
3:  ldr x1, [x0], #8                // the second one ends the candidates
    ldrb w2, [x1]
    cbnz w2, 3b
    str xzr, [x0, #-8]
    mov x23, x0

    ldr x1, [x21]                   // `HOME=` without a value: take the one that the engine found
    ldrb w2, [x1, #5]
    cbnz w2, 5f
    ldr x1, [x20]
    add x0, x20, x1, lsl #3
    add x0, x0, #16
    mov w4, #0x4f48                 // "HOME"
    movk w4, #0x454d, lsl #16
4:  ldr x1, [x0], #8
    cbz x1, 5f
    ldr w2, [x1]
    cmp w2, w4
    b.ne 4b
    ldrb w2, [x1, #4]
    cmp w2, #0x3d                   // "="
    b.ne 4b
    str x1, [x21]

5:  ldr x1, [x20, #16]
    sub sp, sp, #320                // record: the token, the wait status, the error number, the memory events
    mov x0, sp
    mov x3, #20
6:  stp xzr, xzr, [x0], #16
    subs x3, x3, #1
    b.ne 6b
    ldp x2, x3, [x1]
    stp x2, x3, [sp]
    ldp x2, x3, [x1, #16]
    stp x2, x3, [sp, #16]
    mov x0, xzr                     // ioctl(0, TCGETS, …): a terminal is the program's own
    mov x1, #0x5401
    sub x2, sp, #128
    mov x8, #29
    svc #0
    cbz x0, 15f
14: mov x0, xzr                     // read(0, …, 1): a byte comes when Drydock reads the output, the end when it is gone
    add x1, sp, #40
    mov x2, #1
    mov x8, #63
    svc #0
    cmn x0, #4                      // EINTR
    b.eq 14b
    strb wzr, [sp, #40]
    mov w1, #0x7d00
    str w1, [sp, #32]
    cmp x0, #1
    b.ne 8f
    str wzr, [sp, #32]
    adr x1, 32f                     // the program reads from /dev/null
    mov x0, #-100
    mov x2, xzr
    mov x3, xzr
    mov x8, #56
    svc #0
    mov x24, x0
    mov x1, xzr
    mov x2, xzr
    mov x8, #24                     // dup3
    svc #0
    mov x0, x24
    mov x8, #57
    svc #0
15: mov x0, #0x4111                 // clone(CLONE_VM | CLONE_VFORK | SIGCHLD)
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    mov x8, #220
    svc #0
    cbz x0, 20f
    tbnz x0, #63, 9f
    mov x24, x0
6:  mov x0, #-1                     // wait4(-1, &status, 0, NULL) until it is the program: orphans are reaped
    add x1, sp, #32
    mov x2, xzr
    mov x3, xzr
    mov x8, #260
    svc #0
    cmp x0, x24
    b.ne 6b
    b 7f
9:  neg w0, w0
    mov w1, #0x7f00
    stp w1, w0, [sp, #32]

7:  adr x1, 30f                     // openat and read what the kernel counted, by cgroup v2, else v1
    mov x0, #-100
    mov x2, xzr
    mov x3, xzr
    mov x8, #56
    svc #0
    tbz x0, #63, 12f
    adr x1, 31f
    mov x0, #-100
    mov x2, xzr
    mov x3, xzr
    mov x8, #56
    svc #0
    tbnz x0, #63, 13f
12: add x1, sp, #40
    mov x2, #256
    mov x8, #63
    svc #0

13: mov x0, #2                      // write(2, record, 296): all at once, being less than PIPE_BUF
    mov x1, sp
    mov x2, #296
    mov x8, #64
    svc #0
    cmn x0, #11                     // EAGAIN: the program made the pipe non-blocking
    b.ne 8f
    mov w0, #2                      // ppoll(2 for POLLOUT, 1, NULL, NULL, 0)
    mov w1, #4
    add x2, sp, #296
    stp w0, w1, [x2]
    mov x0, x2
    mov x1, #1
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    mov x8, #73
    svc #0
    b 13b

8:  ldr w0, [sp, #32]               // exit_group(code, or 128 + signal)
    and w1, w0, #0x7f
    cbz w1, 10f
    add w0, w1, #128
    b 11f
10: ubfx w0, w0, #8, #8
11: mov x8, #94
    svc #0

20: mov x24, x22                    // the child: execve of each candidate
    mov w25, #2                     // ENOENT when there is none
21: ldr x0, [x24], #8
    cbz x0, 22f
    mov x1, x23
    mov x2, x21
    mov x8, #221
    svc #0
    neg w25, w0
    cmp w25, #2                     // ENOENT, EACCES, ENOTDIR: try the next one
    b.eq 21b
    cmp w25, #13
    b.eq 21b
    cmp w25, #20
    b.eq 21b
22: str w25, [sp, #36]              // the memory is the parent's
    mov x0, #127
    mov x8, #94
    svc #0

    .balign 8
30: .asciz "/sys/fs/cgroup/memory.events"
31: .asciz "/sys/fs/cgroup/memory/memory.oom_control"
32: .asciz "/dev/null"
    .balign 8
