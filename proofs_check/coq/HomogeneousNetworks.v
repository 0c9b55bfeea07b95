(* The law of one hidden unit in networks with homogeneous activations, for all widths, depths, losses, data and gates.

   A unit a of a hidden layer has incoming weights W_i[a,:], a bias b_i[a] and outgoing weights W_(i+1)[:,a]. Of the
   activation only Euler's relation is used, at every sample s:
       slope * preactivation = kappa * activation.
   It holds with kappa = 1 for linear, ReLU and leaky ReLU units, whatever the slope at 0 is taken to be, and with
   kappa = k for the k-th power of ReLU. Under gradient flow with weight decay lam, on every interval of time,
       D = |W_i[a,:]|^2 + b_i[a]^2 - kappa |W_(i+1)[:,a]|^2    satisfies    D t = e^(-2 lam (t - s)) D s. *)
From mathcomp Require Import all_ssreflect all_algebra.
From mathcomp Require Import boolp classical_sets reals topology normedtype derive sequences exp.
From mathcomp Require Import ring.
From theorylab Require Import Calculus.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.TTheory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Unit.
Variables (R : realType) (I : set R) (lam kappa : R) (p q r n : nat).
Variables (A : R -> 'M[R]_(p, q)) (b : R -> 'cV[R]_p) (C : R -> 'M[R]_(r, p)).
Variables (x : R -> 'M[R]_(q, n)) (one : 'rV[R]_n).
Variables (act slope : R -> 'M[R]_(p, n)) (e : R -> 'M[R]_(r, n)).

Definition preactivation t := A t *m x t + b t *m one.

(* Euler's relation between the slope of the activation at a sample and its value there. *)
Definition homogeneous := forall t a s, I t ->
  slope t a s * preactivation t a s = kappa * act t a s.

(* The gradient of the loss with respect to the preactivations; e is the one behind the outgoing weights. *)
Definition backward t : 'M[R]_(p, n) := \matrix_(a, s) (slope t a s * ((C t)^T *m e t) a s).

Definition unit_flow :=
  [/\ mderives I A (fun t => - (backward t *m (x t)^T) - lam *: A t),
      mderives I b (fun t => - (backward t *m one^T) - lam *: b t) &
      mderives I C (fun t => - (e t *m (act t)^T) - lam *: C t)].

Definition unit_imbalance a t :=
  \sum_j A t a j ^+ 2 + b t a 0 ^+ 2 - kappa * (\sum_k C t k a ^+ 2).

Lemma row_dot m k (M N : 'M[R]_(m, k)) a : \sum_j M a j * N a j = (M *m N^T) a a.
Proof. by rewrite mxE; apply: eq_bigr => j _; rewrite mxE. Qed.

Lemma column_dot m k (M N : 'M[R]_(m, k)) a : \sum_j M j a * N j a = (M^T *m N) a a.
Proof. by rewrite mxE; apply: eq_bigr => j _; rewrite mxE. Qed.

Lemma unit_imbalance_derivative a : homogeneous -> unit_flow ->
  derives I (unit_imbalance a) (fun t => - (2 * lam) * unit_imbalance a t).
Proof.
move=> hom [flow_A flow_b flow_C].
have dA := derives_sum (fun j => derives_square (flow_A a j)).
have db := derives_square (flow_b a 0).
have dC := derives_sum (fun k => derives_square (flow_C k a)).
apply: derives_eq (derivesB (derivesD dA db) (@derivesZ _ I kappa _ _ dC)) _ => t It.
rewrite /unit_imbalance -!mulr_sumr.
rewrite (row_dot (- (backward t *m (x t)^T) - lam *: A t)) (column_dot (- (e t *m (act t)^T) - lam *: C t)).
under [X in _ = _ * (X + _ - _)]eq_bigr do rewrite expr2.
under [X in _ = _ * (_ + _ - _ * X)]eq_bigr do rewrite expr2.
rewrite (row_dot (A t)) (column_dot (C t)).
rewrite !(trmxD, trmxN, trmxZ, trmx_mul, trmxK) !(mulmxDl, mulmxDr, mulNmx, mulmxN) -!scalemxAl -!mulmxA.
have pre : (backward t *m ((x t)^T *m (A t)^T)) a a + (backward t *m one^T) a 0 * b t a 0 =
           kappa * (act t *m (e t)^T *m C t) a a.
  have -> : (backward t *m one^T) a 0 * b t a 0 = (backward t *m (one^T *m (b t)^T)) a a.
    by rewrite mulmxA [RHS]mxE big_ord1 [(b t)^T _ _]mxE.
  transitivity ((backward t *m (preactivation t)^T) a a).
    by rewrite /preactivation trmxD !trmx_mul mulmxDr [RHS]mxE.
  rewrite -row_dot -[in RHS](trmxK (C t)) -mulmxA -trmx_mul -row_dot mulr_sumr; apply: eq_bigr => s _.
  by rewrite [backward t a s]mxE mulrAC hom // mulrA.
rewrite -mulmxA in pre.
move: pre; move: (backward t *m one^T) (backward t *m _) (act t *m _) (A t *m _) ((C t)^T *m _) => bo bx ac aa cc.
rewrite !mxE => pre.
have -> : bx a a = kappa * ac a a - bo a 0 * b t a 0 by rewrite -pre addrK.
move: (bo a 0) (b t a 0) (ac a a) (aa a a) (cc a a) => c1 c2 c3 c4 c5.
ring.
Qed.

Theorem per_unit_law_with_weight_decay a : is_interval I -> homogeneous -> unit_flow ->
  forall s t, I s -> I t -> unit_imbalance a t = expR (- (2 * lam) * (t - s)) * unit_imbalance a s.
Proof.
move=> iI hom flow; have L := @linear_law _ I _ (unit_imbalance a) iI (@unit_imbalance_derivative a hom flow).

exact: L.
Qed.

End Unit.

(* The same at every hidden layer; `delta i` is the gradient with respect to the preactivations of layer i + 1. *)
Section Deep.
Variables (R : realType) (I : set R) (lam : R) (kappa : nat -> R) (width : nat -> nat) (n depth : nat).
Variables (W : forall i, R -> 'M[R]_(width i.+1, width i)) (b : forall i, R -> 'cV[R]_(width i.+1)) (one : 'rV[R]_n).
Variables (layer : forall i, R -> 'M[R]_(width i, n)) (slope delta : forall i, R -> 'M[R]_(width i.+1, n)).

Let pre i t := W i t *m layer i t + b i t *m one.

Definition homogeneous_activations := forall i t a s, I t -> (i.+1 < depth)%N ->
  slope i t a s * pre i t a s = kappa i * layer i.+1 t a s.

Definition backpropagated := forall i t, I t -> (i.+1 < depth)%N ->
  delta i t = \matrix_(a, s) (slope i t a s * ((W i.+1 t)^T *m delta i.+1 t) a s).

Definition gradient_flow := forall i, (i < depth)%N ->
  mderives I (W i) (fun t => - (delta i t *m (layer i t)^T) - lam *: W i t) /\
  mderives I (b i) (fun t => - (delta i t *m one^T) - lam *: b i t).

Theorem deep_unit_law_with_weight_decay : is_interval I ->
  homogeneous_activations -> backpropagated -> gradient_flow ->
  forall i (a : 'I_(width i.+1)), (i.+1 < depth)%N -> forall s t, I s -> I t ->
    \sum_j W i t a j ^+ 2 + b i t a 0 ^+ 2 - kappa i * (\sum_k W i.+1 t k a ^+ 2) =
    expR (- (2 * lam) * (t - s)) *
      (\sum_j W i s a j ^+ 2 + b i s a 0 ^+ 2 - kappa i * (\sum_k W i.+1 s k a ^+ 2)).
Proof.
move=> iI hom back flow i a id s t Is It.
have bE r : I r -> delta i r = backward (W i.+1) (slope i) (delta i.+1) r by move=> Ir; exact: back.
apply: (@per_unit_law_with_weight_decay _ I lam (kappa i) _ _ _ _ (W i) (b i) (W i.+1) (layer i) one
          (layer i.+1) (slope i) (delta i.+1) a iI _ _ s t Is It).
  by move=> r c k Ir; exact: hom.
have [fW fb] := flow i (ltnW id); have [fC _] := flow i.+1 id; split=> //.
- by apply: mderives_eq fW _ => r Ir; rewrite bE.
- by apply: mderives_eq fb _ => r Ir; rewrite bE.
Qed.

End Deep.

(* Without biases and weight decay. *)
Corollary deep_unit_law (R : realType) (I : set R) (kappa : nat -> R) (width : nat -> nat) (n depth : nat)
  (W : forall i, R -> 'M[R]_(width i.+1, width i)) (layer : forall i, R -> 'M[R]_(width i, n))
  (slope delta : forall i, R -> 'M[R]_(width i.+1, n)) :
  is_interval I ->
  (forall i t a s, I t -> (i.+1 < depth)%N -> slope i t a s * (W i t *m layer i t) a s = kappa i * layer i.+1 t a s) ->
  backpropagated I depth W slope delta ->
  (forall i, (i < depth)%N -> mderives I (W i) (fun t => - (delta i t *m (layer i t)^T))) ->
  forall i (a : 'I_(width i.+1)), (i.+1 < depth)%N -> forall s t, I s -> I t ->
    \sum_j W i t a j ^+ 2 - kappa i * (\sum_k W i.+1 t k a ^+ 2) =
    \sum_j W i s a j ^+ 2 - kappa i * (\sum_k W i.+1 s k a ^+ 2).
Proof.
move=> iI hom back flow i a id s t Is It.
have := @deep_unit_law_with_weight_decay R I 0 kappa width n depth W (fun _ _ => 0) 0 layer slope delta iI _ back _
  i a id s t Is It.
rewrite !mxE !expr0n /= !addr0 mulr0 oppr0 mul0r expR0 mul1r; apply.
  by move=> j r c k Ir jd; rewrite mul0mx addr0; exact: hom.
move=> j jd; split.
  by apply: mderives_eq (flow j jd) _ => r Ir; rewrite scale0r subr0.
by apply: mderives_eq (@mderives_cst _ _ _ I 0) _ => r Ir; rewrite trmx0 mulmx0 scaler0 subr0 oppr0.
Qed.

Print Assumptions per_unit_law_with_weight_decay.
Print Assumptions deep_unit_law_with_weight_decay.
Print Assumptions deep_unit_law.
